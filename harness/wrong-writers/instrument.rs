//! Puts switches into source text.

/// A place at which something else can be done.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The switch.
    pub mistake: &'a str,
    /// What is there, and may be more around it: then what counts is between « and ».
    pub right: &'a str,
    /// What is done in its place.
    pub wrong: &'a str,
}

/// `source` with a switch at each edit's place.
///
/// # Errors
/// A message, when a right text does not occur exactly once, or two of them overlap.
pub fn instrument(source: &str, edits: &[Edit<'_>]) -> Result<String, String> {
    let letters = letters(source);
    let mut places = Vec::new();
    for edit in edits {
        let (start, end) = find(&letters, edit.right)
            .map_err(|problem| format!("{}: {problem}: {}", edit.mistake, edit.right))?;
        places.push((start, end, edit));
    }
    places.sort_by_key(|&(start, ..)| start);
    let (mut text, mut done) = (String::new(), 0);
    for (start, end, edit) in places {
        if start < done {
            return Err(format!(
                "{}: the text overlaps that of another mistake: {}",
                edit.mistake, edit.right
            ));
        }
        text.push_str(&source[done..start]);
        text.push_str(&switch(edit, &source[start..end]));
        done = end;
    }
    text.push_str(&source[done..]);
    Ok(text)
}

fn switch(edit: &Edit<'_>, right: &str) -> String {
    let Edit { mistake, wrong, .. } = edit;
    let switch = format!("if crate::made(crate::Mistake::{mistake}) {{ {wrong} }} else {{ {right} }}");
    // Around a statement parentheses would make an expression of it.
    if right.ends_with(';') { switch } else { format!("({switch})") }
}

/// What is no space, with its offset.
fn letters(text: &str) -> Vec<(usize, char)> {
    text.char_indices().filter(|(_, c)| !c.is_whitespace()).collect()
}

/// Where the counting part of `right` begins and ends.
fn find(source: &[(usize, char)], right: &str) -> Result<(usize, usize), &'static str> {
    let marked: Vec<char> = letters(right).into_iter().map(|(_, c)| c).collect();
    let pattern: Vec<char> = marked.iter().copied().filter(|c| !"«»".contains(*c)).collect();
    let first = marked.iter().position(|&c| c == '«').unwrap_or(0);
    let last = marked.iter().position(|&c| c == '»').map_or(pattern.len(), |at| at - 1) - 1;
    let mut matches =
        source.windows(pattern.len()).filter(|window| window.iter().zip(&pattern).all(|((_, a), b)| a == b));
    let found = matches.next().ok_or("the text does not occur")?;
    if matches.next().is_some() {
        return Err("the text occurs more than once");
    }
    let (end, letter) = found[last];
    Ok((found[first].0, end + letter.len_utf8()))
}
