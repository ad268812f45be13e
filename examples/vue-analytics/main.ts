import { createTracker } from "eventferry";
import { adopt } from "eventferry/adopt";
import { createApp } from "vue";
import App from "./App.vue";

// All that is new: the app's calls of `rudderanalytics` stay as they are.
adopt(createTracker({ proxy: "/ferry", writeKey: "site_shop" }), ["segment"]);

createApp(App).mount("#root");
