import { mount } from "svelte";
import App from "./App.svelte";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/forms.css";
import "./styles/series.css";
import "./styles/board.css";

const target = document.getElementById("app");
if (target === null) throw new Error("The page has no place for the portal.");
mount(App, { target });
