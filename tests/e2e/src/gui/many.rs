//! Very much at once.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::{Coracle, Live, eventually, process};

use super::desktop::Desktop;
use super::page::Page;
use crate::images;
use crate::limits::in_turns;

const CONTAINERS: usize = 500;
const LINES: usize = 100_000;

/// Milliseconds within which a page answers a person.
const MOST_MS: f64 = 100.0;

/// Bytes of memory that the app's processes take at most for all of it, with their share of what they have with others.
const MOST_BYTES: u64 = 250_000_000;

/// The same with what a WebDriver adds, after a search.
const MOST_DRIVEN: u64 = 340_000_000;

/// A log of so many lines takes more than this, so it is there.
const LOG_BYTES: u64 = 5_000_000;

/// For a window that has come up.
const SETTLES: Duration = Duration::from_secs(3);

/// An app with nothing to do works less than this meanwhile.
const IDLE: Duration = Duration::from_millis(100);

/// How often each interaction is measured.
const TURNS: usize = 7;

pub(super) fn containers_and_a_long_log(coracle: &Coracle) -> Result<()> {
    let image = images::busybox(coracle)?;
    let line = "127.0.0.1 - GET /a/page/of/some/service HTTP/1.1 200 line";
    let script =
        format!("awk 'BEGIN {{ while (n++ < {LINES}) print \"{line} \" n }}'; exec sleep 100000");
    let talks = ["--name", "gui-talks", "--init", image, "sh", "-c", &script];
    coracle.background(talks)?;
    let last = format!("line {LINES}");
    eventually("the whole log", || {
        let end = ["logs", "--tail", "1", "gui-talks"];
        let end = coracle.docker(end).text()?;
        ensure!(end.contains(&last), "it ends in {end:?}");
        Ok(())
    })?;

    let desktop = Desktop::new(coracle)?;
    let (page, tray) = desktop.with_window()?;
    page.click("nav a[href='#/containers']")?;
    thread::sleep(SETTLES);
    memory(&page, "hardly anything")?;
    in_turns(CONTAINERS - 1, |_| {
        coracle.docker(["create", image, "true"]).ok().map(drop)
    })?;
    page.until_text("main", &format!("{CONTAINERS} containers"))?;
    answers(
        &page,
        "scroll",
        "document.querySelector('[role=table]').scrollTop += 2000",
    )?;
    let filter = |text: &str| filled("Filter the containers", text);
    answers(&page, "filter", &filter("talks"))?;
    page.until("[data-container=gui-talks]")?;
    memory(&page, "500 containers")?;

    page.click("[aria-label='Logs of gui-talks']")?;
    page.until_text("[data-testid=lines]", &format!("{LINES} lines"))?;
    page.until_text("[role=log]", &last)?;
    answers(
        &page,
        "scroll",
        "document.querySelector('[role=log]').scrollTop -= 5000",
    )?;
    let search = |text: &str| filled("Search in Logs of gui-talks", text);
    answers(&page, "search", &search("line 77777"))?;
    page.until_text("[data-testid=lines]", &format!("1 of {LINES} lines"))?;
    let searched = memory(&page, "100,000 lines, searched")?;
    ensure!(searched < MOST_DRIVEN, "{searched} bytes");
    drop((page, tray, desktop));
    takes_little(&Desktop::new(coracle)?)
}

/// The same as a person has it: a WebDriver has the page keep much that nobody else asks for.
fn takes_little(desktop: &Desktop) -> Result<()> {
    let (app, tray) = desktop.in_tray()?;
    let memory = |when: &str| -> Result<u64> {
        at_rest(&app)?;
        let processes = family(&app).map(process::proportional);
        let processes: Vec<u64> = processes.collect::<Result<_>>()?;
        let taken = processes.iter().sum();
        eprintln!("{when}: {taken} bytes, of {processes:?}");
        Ok(taken)
    };
    memory("in the tray")?;
    tray.click(&["Dashboard"])?;
    let before = memory("its window")?;
    desktop.hands(["mousemove", "640", "500"])?;
    for _ in 0..20 {
        desktop.hands(["click", "5"])?;
    }
    memory("scrolled")?;
    let talks = ["Containers", "gui-talks – running", "Logs"];
    eventually("the container in the menu", || tray.offers(&talks))?;
    tray.click(&talks)?;
    // What a flood has left behind goes when the page's collector comes to it.
    eventually("the log in little memory", || {
        let taken = memory("the log")?;
        ensure!(
            (before + LOG_BYTES..MOST_BYTES).contains(&taken),
            "{taken} bytes, {before} before"
        );
        Ok(())
    })?;
    desktop.picture("a-long-log")
}

/// Waits until the app does hardly anything.
fn at_rest(app: &Live) -> Result<()> {
    let spent = || family(app).map(process::cpu_time).sum::<Result<Duration>>();
    eventually("an app with nothing to do", || {
        let before = spent()?;
        thread::sleep(SETTLES);
        let busy = spent()?
            .checked_sub(before)
            .context("a process has ended")?;
        ensure!(busy < IDLE, "it worked for {busy:?}");
        Ok(())
    })
}

fn family(app: &Live) -> impl Iterator<Item = u32> {
    [app.id()].into_iter().chain(process::descendants(app.id()))
}

/// Types a text into a field in the page's own way.
fn filled(label: &str, text: &str) -> String {
    format!(
        "const field = document.querySelector('[aria-label=\"{label}\"]');
         field.value = field.value ? '' : '{text}';
         field.dispatchEvent(new Event('input', {{ bubbles: true }}))"
    )
}

/// Fails unless the page shows what an interaction has changed soon: the median, as a busy host holds up one or the other.
fn answers(page: &Page, name: &str, act: &str) -> Result<()> {
    let cost = |act: &str| -> Result<f64> {
        let script = format!(
            "const done = arguments[0];
             const frame = (next) => requestAnimationFrame(next);
             frame(() => {{
                 const begun = performance.now();
                 {act};
                 frame(() => frame(() => done(performance.now() - begun)));
             }});"
        );
        page.script(&script)?.as_f64().context("no number")
    };
    let mut costs = Vec::new();
    for _ in 0..TURNS {
        // A page with nothing to do takes two frames, too.
        let empty = cost("")?;
        costs.push(cost(act)? - empty);
    }
    costs.sort_by(f64::total_cmp);
    let median = costs[TURNS / 2];
    eprintln!("{name}: {costs:.0?} ms");
    ensure!(median < MOST_MS, "{name} takes {median:.0} ms: {costs:.0?}");
    Ok(())
}

/// Tells the memory of the app's processes, with what the WebDriver adds.
fn memory(page: &Page, when: &str) -> Result<u64> {
    let processes = page.memory()?;
    let taken = processes.iter().sum();
    eprintln!("{when}, driven: {taken} bytes, of {processes:?}");
    Ok(taken)
}
