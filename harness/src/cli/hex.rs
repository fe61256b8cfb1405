//! Bytes in hexadecimal.

use std::fmt;
use std::io;

use super::out::{FAINT, Out};

/// Bytes as digits without spaces.
pub struct Digits<'a>(pub &'a [u8]);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes as text: those that are printable ASCII, and dots.
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let shown = |&byte: &u8| if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '.' };
        self.0.iter().map(shown).try_for_each(|c| f.write_char(c))
    }
}

/// Reads bytes from digits, with or without spaces between them.
///
/// # Errors
/// What such bytes look like.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | ':' | ',')).collect();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    let wrong = || "expected pairs of hexadecimal digits, such as 'de ad be ef'".to_owned();
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match str::from_utf8(pair) {
        Ok(pair) if pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u8::from_str_radix(pair, 16).ok()
        }
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty()).ok_or_else(wrong)
}

/// Prints contents as `hexdump -C` does: sixteen bytes a line by their address, and `*` for lines that are like the
/// one before.
pub fn dump(out: &mut Out<'_>, address: u64, contents: &[u8]) -> io::Result<()> {
    const LINE: usize = 16;
    let (mut last, mut starred) = (None, false);
    for (at, line) in (0u64..).step_by(LINE).zip(contents.chunks(LINE)) {
        if last == Some(line) && at + (LINE as u64) < contents.len() as u64 {
            if !starred {
                out.painted_line(FAINT, format_args!("{:>14}*", ""))?;
            }
            starred = true;
            continue;
        }
        (last, starred) = (Some(line), false);
        let mut digits = String::new();
        for (i, byte) in line.iter().enumerate() {
            let gap = if i == LINE / 2 { "  " } else { " " };
            digits += &format!("{gap}{byte:02x}");
        }
        out.paint(FAINT, format_args!("{:>14}{:#014x} ", "", address.wrapping_add(at)))?;
        out.line(format_args!("{digits:<49}  |{}|", Printable(line)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_written() {
        for text in ["de ad", "dead", "DE:AD", "0xdead"] {
            assert_eq!(parse(text).unwrap(), [0xde, 0xad]);
        }
        for text in ["", "d", "dea", "xx", "de ag", "+1", "世"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(Digits(&[0, 0xff]).to_string(), "00ff");
    }

    #[test]
    fn lines_that_repeat_are_folded() {
        let mut contents = b"0123456789abcdef".to_vec();
        contents.extend([0; 64]);
        contents.extend(b"\x1b[m\xff");
        let mut bytes = Vec::new();
        dump(&mut Out::new(&mut bytes, false), 0xc0_0001_2000, &contents).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert_eq!(
            lines,
            [
                "0x00c000012000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|",
                "0x00c000012010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
                "*",
                "0x00c000012050  1b 5b 6d ff                                       |.[m.|",
            ]
        );
    }
}
