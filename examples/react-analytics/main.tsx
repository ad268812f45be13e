import { createTracker } from "eventferry";
import { adopt } from "eventferry/adopt";
import { createRoot } from "react-dom/client";
import { App } from "./app";

// All that is new: the app's calls of `analytics` stay as they are.
adopt(createTracker({ proxy: "/ferry", writeKey: "site_shop" }), ["segment"]);

const root = document.querySelector("#root");
if (root) createRoot(root).render(<App />);
