import { createApp } from "vue";
import App from "./App.vue";
import { tracking } from "./tracker";

createApp(App).use(tracking).mount("#root");
