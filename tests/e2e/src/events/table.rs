use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, ensure};
use coracle_vm_harness::Coracle;

use super::conformance;
use super::operations::OPERATIONS;
use super::watcher::Seen;

const FILE: &str = "docs/file-events.md";
const BEGIN: &str = "<!-- The table is written by the suite `events`. -->\n";
const END: &str = "<!-- end of the table -->\n";

/// More of a sequence than this is cut off.
const SHOWN: usize = 14;

/// With `CORACLE_TEST_WRITE=1` it is made so.
pub(super) fn the_documented_table_is_current(coracle: &Coracle) -> Result<()> {
    let path = coracle.places().checkout.join(FILE);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).context("there is no table")?;
    let (_, after) = rest.split_once(END).context("the table has no end")?;
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table()?);
    if std::env::var_os("CORACLE_TEST_WRITE").is_some() {
        fs::write(&path, &wanted)?;
    }
    let found = fs::read_to_string(&path)?;
    ensure!(
        found == wanted,
        "{FILE} is not current: CORACLE_TEST_WRITE=1 cargo xtask test events --filter table"
    );
    Ok(())
}

fn table() -> Result<String> {
    let mut text = String::from("| on the host | events, in order |\n|---|---|\n");
    for (operation, seen) in OPERATIONS.iter().zip(conformance::expected()?) {
        let mut cell: Vec<_> = seen.iter().take(SHOWN).map(event).collect();
        if seen.len() > SHOWN {
            cell.push(format!("and {} more", seen.len() - SHOWN));
        }
        writeln!(text, "| {} | {} |", operation.name, cell.join(", "))?;
    }
    Ok(text)
}

/// `MASK name`, and whose watch it is unless it is the folder's.
fn event(seen: &Seen) -> String {
    let mask = seen.mask.replace('|', "+");
    let name = match seen.name.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &seen.name[..end]),
        None => seen.name.clone(),
    };
    let name = name.replace('|', "\\|");
    let at = match (seen.watched.as_str(), name.is_empty()) {
        ("", true) => "the folder itself".to_owned(),
        (watched, true) => format!("of `{watched}` itself"),
        ("", false) => format!("`{name}`"),
        (watched, false) => format!("`{watched}/{name}`"),
    };
    match seen.rename {
        0 => format!("{mask} {at}"),
        number => format!("{mask} {at} (rename {number})"),
    }
}
