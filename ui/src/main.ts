import "./language";
import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { host } from "./host";

mount(App, { target: document.getElementById("app")!, props: { host } });
