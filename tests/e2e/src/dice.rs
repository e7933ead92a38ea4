//! Randomness that can be had again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The seed, if it is to be the one of another run.
const SEED: &str = "CORACLE_TEST_SEED";

pub(crate) struct Dice(StdRng);

/// Runs a test that throws dice; its failure tells their seed.
pub(crate) fn with<T>(test: impl FnOnce(&mut Dice) -> Result<T>) -> Result<T> {
    let seed = match std::env::var(SEED) {
        Ok(text) => text.parse().with_context(|| format!("{SEED}={text}"))?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
    };
    // A panic tells nothing.
    eprintln!("{SEED}={seed}");
    test(&mut Dice::of(seed)).with_context(|| format!("with {SEED}={seed}"))
}

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Others, whose throws do not depend on how often these are thrown.
    pub(crate) fn others(&mut self) -> Self {
        Self::of(self.0.random())
    }

    /// Less than `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0.random_range(0..sides)
    }

    /// One of them, if there are any.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.below(all.len())])
    }

    /// So many different ones, in their order; all where there are no more.
    pub(crate) fn some_of<T: Copy>(&mut self, all: &[T], count: usize) -> Vec<T> {
        let count = count.min(all.len());
        let mut places = rand::seq::index::sample(&mut self.0, all.len(), count).into_vec();
        places.sort_unstable();
        places.into_iter().map(|place| all[place]).collect()
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.0.random()
    }

    pub(crate) fn moment(&mut self, at_most: Duration) -> Duration {
        at_most.mul_f64(self.0.random())
    }

    pub(crate) fn letters(&mut self, count: usize) -> String {
        let letter = |_| char::from(self.0.random_range(b'a'..=b'z'));
        (0..count).map(letter).collect()
    }
}
