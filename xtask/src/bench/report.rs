//! `target/bench`: report.md for people, report.json for programs, a chart per bench.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::figure::{Better, Figure};
use super::{Bench, chart};
use crate::checkout;

/// Writes everything and returns the file for people. `facts` are lines about the host and
/// about what was compared.
pub(super) fn write(measured: &[(&Bench, Vec<Figure>)], facts: &[String]) -> Result<PathBuf> {
    let folder = checkout::target()?.join("bench");
    // Charts of benches that were not run this time would belong to another report.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut rows = Vec::new();
    for (bench, figures) in measured {
        rows.extend(figures.iter().map(Figure::json));
        let file = folder.join(format!("{}.svg", bench.name));
        fs::write(file, chart::svg(figures))?;
    }
    fs::write(
        folder.join("report.json"),
        serde_json::to_vec_pretty(&rows)?,
    )?;
    let file = folder.join("report.md");
    fs::write(&file, text(measured, facts)?)?;
    Ok(file)
}

fn text(measured: &[(&Bench, Vec<Figure>)], facts: &[String]) -> Result<String> {
    let mut text = String::from("# Benchmarks\n\n");
    for fact in facts {
        writeln!(text, "- {fact}")?;
    }
    let all = measured.iter().flat_map(|(_, figures)| figures);
    text.push('\n');
    text.push_str(&table(all)?);
    for (bench, figures) in measured {
        writeln!(
            text,
            "\n## {0}\n\n{1}\n\n![{0}]({0}.svg)\n",
            bench.name, bench.about
        )?;
        for figure in figures {
            writeln!(
                text,
                "- {} beside {}: ours {}; peer {} ({})",
                figure.title(),
                figure.peer_name,
                list(&figure.ours),
                list(&figure.peer),
                figure.quantity.unit
            )?;
        }
        let mut told: Vec<&str> = Vec::new();
        for figure in figures {
            if !told.contains(&figure.peer_name) {
                told.push(figure.peer_name);
                let commands = figure.peer_commands.trim_end();
                writeln!(text, "\n[{}]:\n\n```sh\n{commands}\n```", figure.peer_name)?;
            }
        }
    }
    Ok(text)
}

fn table<'a>(figures: impl Iterator<Item = &'a Figure>) -> Result<String> {
    let mut text = String::from(
        "| bench | ours | peer | unit | ratio | goal | reached |\n|---|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        let goal = match figure.quantity.better {
            Better::Lower => format!("at most {}", figure.goal),
            Better::Higher => format!("at least {}", figure.goal),
        };
        writeln!(
            text,
            "| {} | {} | {} [{}] | {} | {:.3} | {goal} | {} |",
            figure.title(),
            number(figure.ours()),
            number(figure.peer()),
            figure.peer_name,
            figure.quantity.unit,
            figure.ratio(),
            if figure.reaches_its_goal() {
                "yes"
            } else {
                "no"
            },
        )?;
    }
    Ok(text)
}

fn list(samples: &[f64]) -> String {
    let numbers: Vec<_> = samples.iter().map(|sample| number(*sample)).collect();
    numbers.join(", ")
}

/// With three significant digits or so.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Quantity;
    use super::*;

    fn figure(better: Better, ours: f64) -> Figure {
        Figure {
            quantity: Quantity {
                bench: "speed",
                variant: "uphill",
                unit: "MB/s",
                better,
            },
            ours: vec![ours, ours, 100.0],
            peer: vec![10.0],
            peer_name: "snail",
            peer_commands: "snail --fast\n".into(),
            goal: 1.0,
        }
    }

    #[test]
    fn the_text_has_medians_ratio_verdict_and_commands() {
        let bench = Bench {
            name: "speed",
            about: "How fast.",
            run: |_| Ok(vec![]),
        };
        let figures = vec![figure(Better::Higher, 20.0), figure(Better::Lower, 20.0)];
        let text = text(&[(&bench, figures)], &["a host".into()]).unwrap();
        assert!(text.contains("- a host"));
        assert!(
            text.contains(
                "| speed, uphill | 20.0 | 10.0 [snail] | MB/s | 2.000 | at least 1 | yes |"
            )
        );
        assert!(text.contains("| 2.000 | at most 1 | no |"));
        assert_eq!(text.matches("snail --fast").count(), 1);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let shown = [1234.5, 12.34, 1.234, 0.012_34].map(number);
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.0123"]);
    }
}
