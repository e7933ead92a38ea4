//! Sizes as people write them.

/// Reads `4GiB`, `4g` or a bare number of `unit` (`MiB`, `GiB`) into that many of the unit.
/// All units are powers of 1024, as in `docker run --memory`.
pub(crate) fn parse(text: &str, unit: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let wrong = || format!("{text:?} is not a size: write 4GiB, 4096MiB, or a number of {unit}");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let from = match suffix.trim() {
        "" => exponent(unit),
        suffix => exponent(suffix),
    }
    .ok_or_else(wrong)?;
    let to = exponent(unit).ok_or_else(wrong)?;
    let size = if from >= to {
        1024u64
            .checked_pow(from - to)
            .and_then(|factor| number.checked_mul(factor))
            .ok_or_else(wrong)?
    } else {
        let divisor = 1024u64.pow(to - from);
        if !number.is_multiple_of(divisor) {
            return Err(format!("{text:?} is not a whole number of {unit}"));
        }
        number / divisor
    };
    if size == 0 {
        return Err("it must be more than 0".into());
    }
    Ok(size)
}

/// For people: the largest unit that leaves at least 1, with one digit where it matters.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value.fract() < 0.05 || unit == 0 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// The power of 1024 that a unit stands for.
fn exponent(unit: &str) -> Option<u32> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_any_unit() {
        for (text, mib) in [
            ("4GiB", 4096),
            ("4g", 4096),
            ("4096", 4096),
            ("512 MiB", 512),
            ("2048KiB", 2),
            ("1T", 1 << 20),
        ] {
            assert_eq!(parse(text, "MiB"), Ok(mib), "{text}");
        }
        assert_eq!(parse("64", "GiB"), Ok(64));
        assert_eq!(parse("2TiB", "GiB"), Ok(2048));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "GiB",
            "-1",
            "1.5GiB",
            "4 gallons",
            "0",
            "99999999999999T",
        ] {
            assert!(parse(text, "MiB").is_err(), "{text}");
        }
        assert!(parse("1500MiB", "GiB").unwrap_err().contains("whole"));
    }

    #[test]
    fn sizes_are_written_in_the_largest_unit() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1 << 30), "1 GiB");
        assert_eq!(human(3 << 29), "1.5 GiB");
    }
}
