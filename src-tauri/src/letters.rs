//! Text that comes in pieces of bytes.

/// Cuts bytes between letters.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pending: Vec<u8>,
}

impl Letters {
    /// The whole letters that there are with these bytes; what is no letter is shown as such.
    pub(crate) fn whole(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut kept = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            kept = chunk.invalid().len();
            // Only at the end may a letter go on; a letter has at most four bytes.
            text.extend((kept > 0).then_some(char::REPLACEMENT_CHARACTER));
        }
        let torn = self.pending.len() - kept;
        let torn = self.pending.split_off(torn);
        let goes_on = std::str::from_utf8(&torn).is_err_and(|error| error.error_len().is_none());
        if goes_on {
            text.pop();
            self.pending = torn;
        } else {
            self.pending.clear();
        }
        text
    }

    /// The bytes of a letter that goes on.
    pub(crate) fn torn(self) -> Vec<u8> {
        self.pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_is_torn_and_no_byte_waits_for_ever() {
        let mut letters = Letters::default();
        let text = "grün €".as_bytes();
        assert_eq!(letters.whole(&text[..3]), "gr");
        assert_eq!(letters.whole(&text[3..7]), "ün ");
        assert_eq!(letters.whole(&text[7..]), "€");
        assert_eq!(letters.whole(b"\xff a \xe2"), "\u{fffd} a ");
        assert_eq!(letters.whole(b"b"), "\u{fffd}b");
    }
}
