//! Where commands print: the one way to standard output, on which everything is escaped.

use std::fmt::{self, Display};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::escape::{Escaped, EscapingWriter};

/// Column heads and other titles.
pub const HEAD: Style = Style::new().bold();
/// What is right.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What names the things listed.
pub const NAME: Style = AnsiColor::Cyan.on_default();
/// What matters less than the rest of its line.
pub const FAINT: Style = Style::new().dimmed();

/// What a command prints to.
///
/// Lines are put together with [`text`](Self::text) and [`paint`](Self::paint), in which line feeds are escaped like
/// all that could deceive, and end with [`end`](Self::end): a name cannot begin a line of its own. As a
/// [writer](Write) it leaves line feeds alone and escapes the rest. Colours are the only escape sequences that come
/// out, and come from here.
pub struct Out<'w> {
    writer: &'w mut dyn Write,
    colors: bool,
}

impl<'w> Out<'w> {
    /// An output with colours or without.
    pub fn new(writer: &'w mut dyn Write, colors: bool) -> Self {
        Self { writer, colors }
    }

    /// Part of a line.
    pub fn text(&mut self, text: impl Display) -> io::Result<()> {
        write!(self.writer, "{}", Escaped(text))
    }

    /// Part of a line in a style.
    pub fn paint(&mut self, style: Style, text: impl Display) -> io::Result<()> {
        if self.colors { write!(self.writer, "{style}{}{style:#}", Escaped(text)) } else { self.text(text) }
    }

    /// Ends a line.
    pub fn end(&mut self) -> io::Result<()> {
        self.writer.write_all(b"\n")
    }

    /// A whole line.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        self.text(text)?;
        self.end()
    }

    /// A whole line in a style.
    pub fn painted_line(&mut self, style: Style, text: impl Display) -> io::Result<()> {
        self.paint(style, text)?;
        self.end()
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        EscapingWriter::text(&mut self.writer).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").field("colors", &self.colors).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_no_lines_and_have_no_colours() {
        for (colors, expected) in
            [(false, "head a\\nb\n\\u{1b}[0m\n"), (true, "\x1b[1mhead\x1b[0m a\\nb\n\\u{1b}[0m\n")]
        {
            let mut bytes = Vec::new();
            let mut out = Out::new(&mut bytes, colors);
            out.paint(HEAD, "head").unwrap();
            out.line(" a\nb").unwrap();
            out.write_all(b"\x1b[0m\n").unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }
}
