import "./language";
import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { findHost } from "./host";

void findHost().then((host) =>
  mount(App, { target: document.getElementById("app")!, props: { host } }),
);
