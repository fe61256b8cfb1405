//! Rows that would not do what they say are refused, and those that are taken become switches and nothing else.

#[path = "../instrument.rs"]
mod instrument;

use instrument::{Edit, instrument};

const SOURCE: &str = "fn f(a: u8) -> u8 {\n    let b = a\n        + 1;\n    g(a, b);\n    h(a)\n}\n";

fn edit<'a>(right: &'a str, wrong: &'a str) -> Edit<'a> {
    Edit { mistake: "M", right, wrong }
}

#[test]
fn expressions_and_statements_become_switches() {
    let text = instrument(SOURCE, &[edit("h(a)", "0"), edit("a + 1", "a"), edit("g(a, b);", "")]).unwrap();
    let switch = "if crate::made(crate::Mistake::M)";
    let expected = format!(
        "fn f(a: u8) -> u8 {{\n    let b = ({switch} {{ a }} else {{ a\n        + 1 }});\n    \
         {switch} {{  }} else {{ g(a, b); }}\n    ({switch} {{ 0 }} else {{ h(a) }})\n}}\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn only_what_is_marked_is_replaced() {
    let text = instrument(SOURCE, &[edit("g(a, «b»)", "a"), edit("«h»(a)", "g")]).unwrap();
    assert!(text.contains("g(a, (if crate::made(crate::Mistake::M) { a } else { b }));"), "{text}");
    assert!(text.contains("(if crate::made(crate::Mistake::M) { g } else { h })(a)"), "{text}");
}

#[test]
fn a_text_occurs_exactly_once_and_alone() {
    for (edits, problem) in [
        (&[edit("i(a)", "0")][..], "M: the text does not occur: i(a)"),
        (&[edit("(a)", "0")], ""),
        (&[edit("a", "0")], "M: the text occurs more than once: a"),
        (&[edit("g(a, b)", ""), edit("b)", "")], "M: the text overlaps that of another mistake: b)"),
    ] {
        assert_eq!(instrument(SOURCE, edits).err().unwrap_or_default(), problem);
    }
}

#[test]
fn without_edits_nothing_changes() {
    assert_eq!(instrument(SOURCE, &[]).unwrap(), SOURCE);
}
