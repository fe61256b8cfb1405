//! A regular expression in bytes that come piece by piece.

use std::ops::ControlFlow;

use regex::bytes::Regex;

/// How many bytes a match may have where it lies across pieces.
pub const LONGEST: usize = 64 << 10;

/// How many bytes before a match are still there, to be shown and for the pattern to look back at.
const BEFORE: usize = 64;

/// A match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// Where it starts, in bytes from the start of what is searched.
    pub offset: u64,
    /// Some of what is before it.
    pub before: &'a [u8],
    /// The match, never empty.
    pub bytes: &'a [u8],
    /// What is known of what is after it.
    pub after: &'a [u8],
}

/// A search through pieces.
#[derive(Debug)]
pub struct Search<'r> {
    pattern: &'r Regex,
    longest: usize,
    /// The bytes that are still needed, and where they are in what is searched.
    window: Vec<u8>,
    base: u64,
    /// Where in the window the next match may start.
    from: usize,
}

impl<'r> Search<'r> {
    /// A search for a pattern.
    pub fn new(pattern: &'r Regex) -> Self {
        Self::with_longest(pattern, LONGEST)
    }

    fn with_longest(pattern: &'r Regex, longest: usize) -> Self {
        Self { pattern, longest, window: Vec::new(), base: 0, from: 0 }
    }

    /// Searches a whole.
    pub fn whole<B>(
        pattern: &Regex,
        bytes: &[u8],
        mut found: impl FnMut(Match<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        scan(pattern, bytes, 0, &mut 0, bytes.len(), &mut found)
    }

    /// Goes on with the next piece.
    pub fn piece<B>(
        &mut self,
        bytes: &[u8],
        mut found: impl FnMut(Match<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.window.extend_from_slice(bytes);
        // A match that starts later may go on, or look at what comes.
        let sure = self.window.len().saturating_sub(self.longest);
        scan(self.pattern, &self.window, self.base, &mut self.from, sure, &mut found)?;
        let gone = self.from.saturating_sub(BEFORE);
        self.window.drain(..gone);
        self.base += gone as u64;
        self.from -= gone;
        ControlFlow::Continue(())
    }

    /// Says that no piece follows.
    pub fn end<B>(mut self, mut found: impl FnMut(Match<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        scan(self.pattern, &self.window, self.base, &mut self.from, self.window.len(), &mut found)
    }
}

/// Finds the matches that start in `*from..sure`, and moves `from` to where the next may start.
fn scan<B>(
    pattern: &Regex,
    bytes: &[u8],
    base: u64,
    from: &mut usize,
    sure: usize,
    found: &mut impl FnMut(Match<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    while *from < sure {
        let next = pattern.find_at(bytes, *from).filter(|next| next.start() < sure);
        let Some(next) = next else {
            *from = sure;
            break;
        };
        // Where nothing matches there is nothing to see.
        *from = next.end().max(next.start() + 1);
        if !next.is_empty() {
            let (before, after) = (&bytes[..next.start()], &bytes[next.end()..]);
            found(Match { offset: base + next.start() as u64, before, bytes: next.as_bytes(), after })?;
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pattern: &Regex, bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let matches = pattern.find_iter(bytes).filter(|m| !m.is_empty());
        matches.map(|m| (m.start() as u64, m.as_bytes().to_vec())).collect()
    }

    proptest! {
        #[test]
        fn pieces_are_searched_like_the_whole(
            bytes in prop::collection::vec(prop::sample::select(b"ab \n\xff".to_vec()), 0..300),
            sizes in prop::collection::vec(1usize..40, 1..20),
        ) {
            for pattern in ["a", "ab+", "(?-u)ab.{0,5}b|ab", r"\bb+\b", "(?m)^a|b$", r"(?-u)\xff", "a*", r"\A[ab]", r"b\z"] {
                let pattern = Regex::new(pattern).unwrap();
                let expected = all(&pattern, &bytes);
                let mut whole = Vec::new();
                let end = Search::whole(&pattern, &bytes, |m| {
                    whole.push((m.offset, m.bytes.to_vec()));
                    ControlFlow::<()>::Continue(())
                });
                prop_assert!(end.is_continue());
                prop_assert_eq!(&whole, &expected);

                // Runs of one letter are not longer than everything, so that no match is.
                let mut search = Search::with_longest(&pattern, 300);
                let mut short = Search::with_longest(&pattern, 12);
                let (mut found, mut found_short) = (Vec::new(), Vec::new());
                let mut rest = &bytes[..];
                for &size in sizes.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (piece, more) = rest.split_at(size.min(rest.len()));
                    rest = more;
                    let _ = search.piece(piece, |m| { found.push((m.offset, m.bytes.to_vec())); ControlFlow::<()>::Continue(()) });
                    let _ = short.piece(piece, |m| { found_short.push((m.offset, m.bytes.to_vec())); ControlFlow::<()>::Continue(()) });
                }
                let _ = search.end(|m| { found.push((m.offset, m.bytes.to_vec())); ControlFlow::<()>::Continue(()) });
                let _ = short.end(|m| { found_short.push((m.offset, m.bytes.to_vec())); ControlFlow::<()>::Continue(()) });
                prop_assert_eq!(&found, &expected);
                if expected.iter().all(|(_, bytes)| bytes.len() < 8) {
                    prop_assert_eq!(&found_short, &expected);
                }
            }
        }
    }

    #[test]
    fn what_is_around_a_match_is_shown() {
        let pattern = Regex::new("secret").unwrap();
        let mut search = Search::with_longest(&pattern, 8);
        let mut found = Vec::new();
        for piece in ["....a sec", "ret of 16", " letters"] {
            let _ = search.piece(piece.as_bytes(), |m| {
                found.push((m.offset, m.before.to_vec(), m.bytes.to_vec()));
                ControlFlow::<()>::Continue(())
            });
        }
        assert_eq!(found, [(6, b"....a ".to_vec(), b"secret".to_vec())]);
    }
}
