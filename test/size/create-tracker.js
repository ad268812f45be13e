export { createTracker } from "../../dist/client/index.js";
