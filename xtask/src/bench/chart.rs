//! Bars as SVG: a pair for each figure, ours above the peer's.

use std::fmt::Write;

use super::figure::{Figure, Quantity};
use super::report::number;

const WIDTH: f64 = 720.0;
/// Where the bars begin, in pixels; what is left of it names them.
const LEFT: f64 = 270.0;
const BAR: f64 = 18.0;
const GROUP: f64 = 58.0;
const OURS: &str = "#2a7fba";
const PEER: &str = "#b0b7bf";

/// The chart of one bench. Each pair has a scale of its own: units may differ.
pub(super) fn svg(figures: &[Figure]) -> String {
    let height = 10.0 + GROUP * figures.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, figure) in figures.iter().enumerate() {
        let top = 10.0 + GROUP * index as f64;
        let scale =
            (WIDTH - LEFT - 100.0) / figure.ours().max(figure.peer()).max(f64::MIN_POSITIVE);
        let Quantity { unit, better, .. } = figure.quantity;
        label(&mut svg, 8.0, top + 13.0, &figure.title());
        let unit = format!("{unit}, {} is better", better.name());
        label(&mut svg, 8.0, top + 31.0, &unit);
        let pair = [
            ("coracle", figure.ours(), OURS),
            (figure.peer_name, figure.peer(), PEER),
        ];
        for (row, (name, value, colour)) in pair.into_iter().enumerate() {
            let y = top + (BAR + 2.0) * row as f64;
            let width = (value * scale).max(1.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
            );
            let text = format!("{} {name}", number(value));
            label(&mut svg, LEFT + width + 5.0, y + 13.0, &text);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn label(svg: &mut String, x: f64, y: f64, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::super::figure::Better;
    use super::*;

    #[test]
    fn the_longer_bar_is_that_of_the_larger_number() {
        let figure = Figure {
            quantity: Quantity {
                bench: "a<b",
                variant: "",
                unit: "s",
                better: Better::Lower,
            },
            ours: vec![1.0],
            peer: vec![2.0],
            peer_name: "peer",
            peer_commands: String::new(),
            goal: 1.0,
        };
        let svg = svg(&[figure]);
        assert!(
            svg.contains("width=\"175.0\" height=\"18\" fill=\"#2a7fba\""),
            "{svg}"
        );
        assert!(
            svg.contains("width=\"350.0\" height=\"18\" fill=\"#b0b7bf\""),
            "{svg}"
        );
        assert!(svg.contains("a&lt;b"));
    }
}
