//! The app's window, driven by WebKit's own WebDriver.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use coracle_vm_harness::{Live, Program, eventually, http, process};
use serde_json::{Value, json};

/// How WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The page in the window; the app ends with it.
pub(crate) struct Page {
    address: String,
    session: String,
    driver: Live,
}

impl Page {
    /// Has the driver start the app, and waits for its page.
    pub(super) fn open(driver: Program, app: &Path) -> Result<Self> {
        // Free a moment ago; the driver cannot choose one itself.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let driver = Live::start(driver.arg(format!("--port={port}")))?;
        let address = format!("127.0.0.1:{port}");
        eventually("the driver", || http::get(&address, "/status"))?;
        let options = json!({ "binary": app, "args": [] });
        let wanted = json!({
            "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": options } },
        });
        let session = call(&address, "POST", "/session", &wanted)?;
        let session = session["sessionId"].as_str().context("no session")?;
        let page = Self {
            session: session.to_owned(),
            address,
            driver,
        };
        page.until("[data-testid=state]")?;
        Ok(page)
    }

    /// Waits until the page has an element.
    pub(crate) fn until(&self, css: &str) -> Result<()> {
        eventually(css, || self.element(css).map(drop))
    }

    /// Waits until an element of the page says this.
    pub(crate) fn until_text(&self, css: &str, wanted: &str) -> Result<()> {
        eventually(wanted, || {
            let text = self.text(css)?;
            ensure!(text.contains(wanted), "{css} says {text:?}");
            Ok(())
        })
    }

    /// What an element says.
    pub(crate) fn text(&self, css: &str) -> Result<String> {
        let element = self.element(css)?;
        // Its text as it is rendered is empty to this driver wherever something above it scrolls.
        let path = format!("/element/{element}/property/textContent");
        let text = self.send("GET", &path, &Value::Null)?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks an element as a person does; it may come up yet.
    pub(crate) fn click(&self, css: &str) -> Result<()> {
        eventually(&format!("a click on {css}"), || {
            let element = self.element(css)?;
            self.send("POST", &format!("/element/{element}/click"), &json!({}))
                .map(drop)
        })
    }

    /// Types into an element.
    pub(crate) fn keys(&self, css: &str, text: &str) -> Result<()> {
        let element = self.element(css)?;
        let path = format!("/element/{element}/value");
        self.send("POST", &path, &json!({ "text": text })).map(drop)
    }

    /// Types into a field, in place of what is there.
    pub(crate) fn fill(&self, css: &str, text: &str) -> Result<()> {
        eventually(&format!("{css} filled"), || {
            let element = self.element(css)?;
            self.send("POST", &format!("/element/{element}/clear"), &json!({}))?;
            let typed = json!({ "text": text });
            self.send("POST", &format!("/element/{element}/value"), &typed)
                .map(drop)
        })
    }

    /// Runs a script in the page; what it gives its last argument is the answer.
    pub(super) fn script(&self, script: &str) -> Result<Value> {
        let body = json!({ "script": script, "args": [] });
        self.send("POST", "/execute/async", &body)
    }

    /// Bytes of memory that each process of the app takes.
    pub(super) fn memory(&self) -> Result<Vec<u64>> {
        process::descendants(self.driver.id())
            .into_iter()
            .map(process::proportional)
            .collect()
    }

    fn element(&self, css: &str) -> Result<String> {
        let wanted = json!({ "using": "css selector", "value": css });
        let element = self.send("POST", "/element", &wanted)?;
        let element = element[ELEMENT].as_str().context("no element")?;
        Ok(element.to_owned())
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let path = format!("/session/{}{path}", self.session);
        call(&self.address, method, &path, body)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The app's last window would not end it.
        let _ = self.send("DELETE", "", &Value::Null);
    }
}

fn call(address: &str, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = http::json(address, method, path, &body)?;
    let mut value: Value = serde_json::from_slice(&answer.body)
        .with_context(|| format!("the driver said {}", answer.text()))?;
    let value = value["value"].take();
    if answer.status != 200 {
        bail!("{method} {path}: {value}");
    }
    Ok(value)
}
