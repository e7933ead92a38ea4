//! What a bench gives: samples of us and of a peer.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Which of two numbers is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    Lower,
    Higher,
}

impl Better {
    /// As it stands in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantity {
    pub(super) bench: &'static str,
    /// Which of several of this bench, as a direction; may be empty.
    pub(super) variant: &'static str,
    pub(super) unit: &'static str,
    pub(super) better: Better,
}

/// One comparison.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) quantity: Quantity,
    pub(super) ours: Vec<f64>,
    pub(super) peer: Vec<f64>,
    pub(super) peer_name: &'static str,
    /// The exact commands of the peer, one a line.
    pub(super) peer_commands: String,
    /// The ratio that has to be reached: no more of what is better lower, no less of what is
    /// better higher.
    pub(super) goal: f64,
}

impl Figure {
    pub(super) fn ours(&self) -> f64 {
        median(&self.ours)
    }

    pub(super) fn peer(&self) -> f64 {
        median(&self.peer)
    }

    pub(super) fn ratio(&self) -> f64 {
        self.ours() / self.peer()
    }

    pub(super) fn reaches_its_goal(&self) -> bool {
        match self.quantity.better {
            Better::Lower => self.ratio() <= self.goal,
            Better::Higher => self.ratio() >= self.goal,
        }
    }

    /// The name with the variant.
    pub(super) fn title(&self) -> String {
        let Quantity { bench, variant, .. } = self.quantity;
        match variant {
            "" => bench.to_owned(),
            variant => format!("{bench}, {variant}"),
        }
    }

    /// All of it in a line for the terminal.
    pub(super) fn line(&self) -> String {
        format!(
            "{}: {:.4} {} beside {:.4} [{}], ratio {:.3}{}",
            self.title(),
            self.ours(),
            self.quantity.unit,
            self.peer(),
            self.peer_name,
            self.ratio(),
            if self.reaches_its_goal() {
                ""
            } else {
                ", MISSED"
            },
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "bench": self.quantity.bench,
            "variant": self.quantity.variant,
            "unit": self.quantity.unit,
            "better": self.quantity.better.name(),
            "ours": self.ours(),
            "peer": self.peer(),
            "peer_name": self.peer_name,
            "ratio": self.ratio(),
            "goal": self.goal,
            "samples": { "ours": self.ours, "peer": self.peer },
        })
    }
}

/// The middle one; of an even number the mean of the two in the middle. NaN of none.
pub(super) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

/// One side of a comparison: its name, and what takes one sample.
pub(super) type Side<'a> = (&'a str, Box<dyn FnMut() -> Result<f64> + 'a>);

/// Takes `runs` samples of each side, in turn: A B C, A B C, … A list of samples per side.
pub(super) fn in_turn(runs: usize, sides: &mut [Side<'_>]) -> Result<Vec<Vec<f64>>> {
    let mut samples = vec![Vec::with_capacity(runs); sides.len()];
    for _ in 0..runs {
        for ((name, measure), samples) in sides.iter_mut().zip(&mut samples) {
            samples.push(measure().with_context(|| format!("measuring {name}"))?);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn sides_take_turns_and_a_failure_says_whose() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name: &'static str| -> Side<'_> {
            let order = &order;
            (
                name,
                Box::new(move || {
                    order.borrow_mut().push_str(name);
                    Ok(1.0)
                }),
            )
        };
        let samples = in_turn(2, &mut [side("a"), side("b")]).unwrap();
        assert_eq!(samples, [[1.0, 1.0], [1.0, 1.0]]);
        assert_eq!(order.into_inner(), "abab");
        let mut broken: [Side<'_>; 1] = [("it", Box::new(|| anyhow::bail!("no")))];
        assert!(
            in_turn(1, &mut broken)
                .unwrap_err()
                .to_string()
                .contains("it")
        );
    }
}
