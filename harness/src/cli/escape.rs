//! Text of unknown origin, made safe for terminals.
//!
//! The names in a dump or a program are whatever its author put there: escape sequences that rewrite the screen,
//! line feeds that forge a line of ours, marks that turn the reading direction. Everything that a command prints
//! passes through here, in [`Out`](super::out::Out) and in the [error messages](super::refuse); nothing else in the
//! command line writes to a terminal.

use std::fmt::{self, Display, Write as _};
use std::io;

/// What an escaped character looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// As Rust and Go write it: `\u{202e}`.
    Rust,
    /// As JSON does: `\u202e`.
    Json,
}

/// A value's text with everything escaped that is not seen as what it is, line feeds too: a part of one line.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

/// A string of a Go program: escaped, with `\xff` for each byte that is not UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(pub &'a [u8]);

/// The same between double quotes, and with those and backslashes escaped: no two strings look alike.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a [u8]);

/// Whether a character can be printed as it is. What Rust's `escape_debug` escapes cannot: control and format
/// characters, those that turn the direction, spaces but for the usual one, marks that change the character before
/// them, and what Unicode has not assigned.
fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ if c.is_ascii() => false,
        _ => c.escape_debug().len() == 1,
    }
}

fn put(out: &mut dyn fmt::Write, c: char, spelling: Spelling) -> fmt::Result {
    match spelling {
        Spelling::Rust => write!(out, "{}", c.escape_debug()),
        Spelling::Json => {
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
        }
    }
}

/// Writes text, and escapes what is not plain except for line feeds if they are structure.
fn escape(out: &mut dyn fmt::Write, text: &str, line_feeds: bool, spelling: Spelling) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(|c| !(is_plain(c) || line_feeds && c == '\n')) {
        out.write_str(&rest[..at])?;
        let c = rest[at..].chars().next().unwrap_or_default();
        put(out, c, spelling)?;
        rest = &rest[at + c.len_utf8()..];
    }
    out.write_str(rest)
}

/// Escapes what is formatted into it.
struct Escaping<'a>(&'a mut dyn fmt::Write);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text, false, Spelling::Rust)
    }
}

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            escape(f, chunk.valid(), false, Spelling::Rust)?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
        })
    }
}

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for part in chunk.valid().split_inclusive(['"', '\\']) {
                match part.strip_suffix(['"', '\\']) {
                    Some(plain) => {
                        escape(f, plain, false, Spelling::Rust)?;
                        write!(f, "\\{}", &part[plain.len()..])?;
                    }
                    None => escape(f, part, false, Spelling::Rust)?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

/// A writer of text or of JSON that escapes everything but line feeds. The values of JSON stay the same.
#[derive(Debug)]
pub struct EscapingWriter<W> {
    out: W,
    spelling: Spelling,
}

impl<W: io::Write> EscapingWriter<W> {
    /// For text.
    pub fn text(out: W) -> Self {
        Self { out, spelling: Spelling::Rust }
    }

    /// For JSON, whose strings hold the only characters that are escaped.
    pub fn json(out: W) -> Self {
        Self { out, spelling: Spelling::Json }
    }
}

impl<W: io::Write> io::Write for EscapingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().all(|&byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
            self.out.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            // Memory does not fail.
            let _ = escape(&mut text, chunk.valid(), true, self.spelling);
            chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
        }
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use io::Write;

    use super::*;

    #[test]
    fn what_is_not_seen_as_it_is_is_escaped() {
        for (text, escaped) in [
            ("main.(*T).func·1", "main.(*T).func·1"),
            ("世界 \\ 'a' \"b\"", "世界 \\ 'a' \"b\""),
            ("\x1b[31m\x07\x7f", "\\u{1b}[31m\\u{7}\\u{7f}"),
            ("a\nb\r\t\0", "a\\nb\\r\\t\\0"),
            // Eight-bit control characters, and those that turn the direction, hide or join.
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}\u{2066}\u{200f}\u{61c}", "\\u{202e}\\u{2066}\\u{200f}\\u{61c}"),
            ("\u{200b}\u{feff}\u{ad}\u{2028}\u{e0001}", "\\u{200b}\\u{feff}\\u{ad}\\u{2028}\\u{e0001}"),
            ("e\u{301}\u{a0}", "e\\u{301}\\u{a0}"),
        ] {
            assert_eq!(Escaped(text).to_string(), escaped);
            assert_eq!(Name(text.as_bytes()).to_string(), escaped);
        }
    }

    #[test]
    fn strings_that_are_not_utf_8_keep_their_bytes() {
        assert_eq!(Name(b"a\xff\xe2\x80.\xe4\xb8\x96").to_string(), "a\\xff\\xe2\\x80.世");
        assert_eq!(Quoted(b"a\xff\"\\\n.\xe4\xb8\x96").to_string(), "\"a\\xff\\\"\\\\\\n.世\"");
        assert_eq!(Quoted(b"").to_string(), "\"\"");
    }

    #[test]
    fn writers_leave_nothing_but_line_feeds() {
        let mut out = Vec::new();
        let mut writer = EscapingWriter::text(&mut out);
        writer.write_all("a\n\u{202e}\x1b世\n".as_bytes()).unwrap();
        writer.write_all(b"\xff\n").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\n\\u{202e}\\u{1b}世\n\\xff\n");
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!(["\u{202e}\u{9b}\x7f\x1b\n世", "\u{e0001}", 1]);
        let mut out = Vec::new();
        serde_json::to_writer(EscapingWriter::json(&mut out), &value).unwrap();
        assert_eq!(str::from_utf8(&out).unwrap(), r#"["\u202e\u009b\u007f\u001b\n世","\udb40\udc01",1]"#);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), value);
    }
}
