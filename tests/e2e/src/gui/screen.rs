//! What is on the screen, as the X server keeps it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

/// The screen where nothing is.
const GROUND: Colour = [255; 3];

/// One moment of it.
pub(super) struct Screen {
    width: usize,
    pixels: Vec<Colour>,
}

impl Screen {
    /// Reads the file of `Xvfb -fbdir`: xwd's header in big-endian words, a table of colours, rows.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        Self::parse(&bytes).with_context(|| format!("{} is no screen", file.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let word = |index: usize| {
            let word = bytes.get(index * 4..index * 4 + 4).context("cut off")?;
            Ok::<_, anyhow::Error>(u32::from_be_bytes(word.try_into()?) as usize)
        };
        let (header, width, height) = (word(0)?, word(4)?, word(5)?);
        let (bits, row, colours) = (word(11)?, word(12)?, word(19)?);
        ensure!(bits == 32, "{bits} bits a pixel");
        let rows = bytes.get(header + colours * 12..).context("no rows")?;
        ensure!(rows.len() >= row * height, "rows are missing");
        let pixels = rows
            .chunks_exact(row)
            .take(height)
            .flat_map(|row| row[..width * 4].chunks_exact(4))
            .map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect();
        Ok(Self { width, pixels })
    }

    /// Column and row of the first pixel of a colour.
    pub(super) fn find(&self, colour: Colour) -> Option<(usize, usize)> {
        let at = self.pixels.iter().position(|pixel| *pixel == colour)?;
        Some((at % self.width, at / self.width))
    }

    /// Width and height, from the screen's corner, of all that is on it.
    pub(super) fn extent(&self) -> (usize, usize) {
        let there = self.pixels.iter().enumerate();
        there
            .filter(|(_, pixel)| **pixel != GROUND)
            .fold((0, 0), |(width, height), (at, _)| {
                (
                    width.max(at % self.width + 1),
                    height.max(at / self.width + 1),
                )
            })
    }

    /// All that is on it.
    pub(super) fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = self.extent();
        let rows = self.pixels.chunks_exact(self.width).take(height);
        let bytes: Vec<u8> = rows
            .flat_map(|row| row[..width].as_flattened())
            .copied()
            .collect();
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header()?.write_image_data(&bytes)?;
        Ok(png)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three by two pixels in rows of 16 bytes, one colour in the table.
    fn file() -> Vec<u8> {
        let mut words = [0_u32; 25];
        for (index, word) in [(0, 100), (4, 3), (5, 2), (11, 32), (12, 16), (19, 1)] {
            words[index] = word;
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend([7; 12]);
        bytes.extend([255; 32]);
        let second_of_second = 100 + 12 + 16 + 4;
        bytes[second_of_second..second_of_second + 4].copy_from_slice(&[3, 2, 1, 0]);
        bytes
    }

    #[test]
    fn a_screen_is_read_and_cut_to_what_is_on_it() {
        let screen = Screen::parse(&file()).unwrap();
        assert_eq!(screen.find([1, 2, 3]), Some((1, 1)));
        assert_eq!(screen.find([3, 2, 1]), None);
        assert_eq!(screen.extent(), (2, 2));
        let png = screen.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let mut pixels = [0; 12];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(
            pixels,
            [255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3]
        );
    }

    #[test]
    fn a_file_that_is_cut_off_is_no_screen() {
        let file = file();
        for length in [0, 60, 100, file.len() - 1] {
            assert!(Screen::parse(&file[..length]).is_err(), "{length}");
        }
    }
}
