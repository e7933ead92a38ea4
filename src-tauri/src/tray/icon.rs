//! The tray's icons: a coracle on the water, drawn for each state.
//!
//! Drawn and not read, so that every size, shade and frame is the same boat.

use std::f32::consts::TAU;

use crate::view::Mood;

/// Edge in pixels: twice what panels use, so that they may scale it.
pub(crate) const SIZE: u32 = 44;

/// Frames of the movement while it starts.
pub(crate) const FRAMES: u8 = 4;

/// Samples along each edge of a pixel.
const SAMPLES: u32 = 4;

/// For which ground it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shade {
    /// Light lines, for a dark panel.
    OnDark,
    /// Dark lines, for a light panel.
    OnLight,
}

/// Which icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Icon {
    /// The state.
    pub(crate) mood: Mood,
    /// Which moment of the movement; 0 in all states but [`Mood::Starting`].
    pub(crate) frame: u8,
    /// For which ground.
    pub(crate) shade: Shade,
}

type Colour = [u8; 4];

const CLEAR: Colour = [0; 4];
const LIGHT: Colour = [240, 244, 248, 255];
const DARK: Colour = [38, 50, 60, 255];

/// The opacity of what is not in the fore.
const FAINT: u8 = 120;

/// How far the edge reaches beyond the line.
const EDGE: f32 = 0.03;

fn with([red, green, blue, _]: Colour, opacity: u8) -> Colour {
    [red, green, blue, opacity]
}

impl Icon {
    /// Rows of red, green, blue and opacity, [`SIZE`] by [`SIZE`].
    pub(crate) fn rgba(&self) -> Vec<u8> {
        let mut pixels = Vec::with_capacity((SIZE * SIZE * 4) as usize);
        for y in 0..SIZE {
            for x in 0..SIZE {
                pixels.extend_from_slice(&self.pixel(x, y));
            }
        }
        pixels
    }

    /// The mean of its samples.
    fn pixel(&self, x: u32, y: u32) -> Colour {
        let mut sum = [0u32; 4];
        for sample in 0..SAMPLES * SAMPLES {
            let at = |pixel: u32, step: u32| {
                (pixel as f32 + (step as f32 + 0.5) / SAMPLES as f32) / SIZE as f32
            };
            let colour = self.at(at(x, sample % SAMPLES), at(y, sample / SAMPLES));
            let opacity = u32::from(colour[3]);
            for (sum, part) in sum.iter_mut().zip(colour).take(3) {
                *sum += u32::from(part) * opacity;
            }
            sum[3] += opacity;
        }
        if sum[3] == 0 {
            return CLEAR;
        }
        let part = |index: usize| (sum[index] / sum[3]) as u8;
        [
            part(0),
            part(1),
            part(2),
            (sum[3] / (SAMPLES * SAMPLES)) as u8,
        ]
    }

    /// The colour of a point; both run from 0 to 1, down and to the right.
    fn at(&self, x: f32, y: f32) -> Colour {
        let (dot_x, dot_y) = (0.78, 0.24);
        let from_dot = ((x - dot_x).powi(2) + (y - dot_y).powi(2)).sqrt();
        if let Some(dot) = self.dot() {
            if from_dot < 0.17 {
                return dot;
            }
            // A gap, so that the dot stands apart from what is under it.
            if from_dot < 0.22 {
                return CLEAR;
            }
        }
        let (line, edge) = match self.shade {
            Shade::OnDark => (LIGHT, DARK),
            Shade::OnLight => (DARK, LIGHT),
        };
        if let Some(opacity) = self.drawn(x, y) {
            return with(line, opacity);
        }
        // No program can know a panel's ground: some are dark on a light desktop. The edge is seen where the line is not.
        let around = (0..8u8).filter_map(|step| {
            let (down, right) = (f32::from(step) / 8.0 * TAU).sin_cos();
            self.drawn(x + right * EDGE, y + down * EDGE)
        });
        around
            .max()
            .map_or(CLEAR, |opacity| with(edge, opacity / 3 * 2))
    }

    /// How much of the line is seen at a point; None beside it.
    fn drawn(&self, x: f32, y: f32) -> Option<u8> {
        let boat = match self.mood {
            Mood::Stopped | Mood::Asleep => FAINT,
            _ => u8::MAX,
        };
        let phase = f32::from(self.frame) / f32::from(FRAMES);
        let lift = match self.mood {
            Mood::Starting => (phase * TAU).sin() * 0.05,
            _ => 0.0,
        };
        if in_hull(x, y + lift) || on_rim(x, y + lift) {
            return Some(boat);
        }
        on_wave(x, y, phase).then_some(FAINT)
    }

    /// The colour that names the state; the shape differs too where it matters (a faint boat).
    fn dot(&self) -> Option<Colour> {
        match self.mood {
            Mood::Stopped => None,
            Mood::Starting => Some([74, 158, 255, 255]),
            Mood::Running => Some([52, 199, 89, 255]),
            Mood::Asleep => Some([150, 130, 220, 255]),
            Mood::Degraded => Some([255, 176, 32, 255]),
            Mood::Error => Some([240, 68, 56, 255]),
        }
    }
}

/// The lower half of an ellipse.
fn in_hull(x: f32, y: f32) -> bool {
    y > 0.5 && ((x - 0.5) / 0.4).powi(2) + ((y - 0.5) / 0.3).powi(2) < 1.0
}

/// The opening of the boat, seen from a little above.
fn on_rim(x: f32, y: f32) -> bool {
    let distance = |a: f32, b: f32| ((x - 0.5) / a).powi(2) + ((y - 0.46) / b).powi(2);
    distance(0.44, 0.13) < 1.0 && distance(0.36, 0.065) > 1.0
}

fn on_wave(x: f32, y: f32, phase: f32) -> bool {
    let crest = 0.9 + 0.025 * ((x * 2.0 + phase) * TAU).sin();
    (0.06..0.94).contains(&x) && (y - crest).abs() < 0.03
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MOODS: [Mood; 6] = [
        Mood::Stopped,
        Mood::Starting,
        Mood::Running,
        Mood::Asleep,
        Mood::Degraded,
        Mood::Error,
    ];

    fn still() -> impl Iterator<Item = Icon> {
        let shades = [Shade::OnDark, Shade::OnLight];
        let of = move |mood| {
            shades.map(|shade| Icon {
                mood,
                frame: 0,
                shade,
            })
        };
        MOODS.into_iter().flat_map(of)
    }

    #[test]
    fn every_state_and_shade_looks_different() {
        let mut seen = HashSet::new();
        for icon in still() {
            let pixels = icon.rgba();
            assert_eq!(pixels.len(), (SIZE * SIZE * 4) as usize);
            assert!(
                pixels
                    .chunks(4)
                    .any(|pixel| pixel[3] == 255 || pixel[3] == FAINT)
            );
            assert!(seen.insert(pixels), "{icon:?}");
        }
    }

    #[test]
    fn every_icon_is_seen_on_every_ground() {
        let brightness = |pixel: &[u8]| u32::from(pixel[0]) + u32::from(pixel[1]);
        for icon in still() {
            let pixels = icon.rgba();
            let much = || pixels.chunks(4).filter(|pixel| pixel[3] > 70);
            // Of 1936; a dot alone is no boat.
            let light = much().filter(|pixel| brightness(pixel) > 400).count();
            let dark = much().filter(|pixel| brightness(pixel) < 200).count();
            assert!(light > 120, "{icon:?}: {light}");
            assert!(dark > 120, "{icon:?}: {dark}");
        }
    }

    #[test]
    fn starting_moves() {
        let frame = |frame| {
            let icon = Icon {
                mood: Mood::Starting,
                frame,
                shade: Shade::OnDark,
            };
            icon.rgba()
        };
        let frames: HashSet<_> = (0..FRAMES).map(frame).collect();
        assert!(frames.len() >= 3);
    }
}
