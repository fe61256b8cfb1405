//! Makes the wrong writers: copies the writer's sources and puts the switches of `mistakes.rs` in.

mod instrument;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use instrument::{Edit, instrument};
use mistakes::MISTAKES;

/// The writer's public modules that hold what its callers pass and get. They stay the writer's own.
const SHARED: &[(&str, &[&str])] = &[
    ("lib.rs", &["error", "layouts", "memory", "options", "target"]),
    ("format/mod.rs", &["tags"]),
    ("go15/mod.rs", &["defects", "symbols"]),
];

/// A row of `mistakes.rs`.
struct Mistake {
    name: &'static str,
    breaks: &'static str,
    /// The condition on `target` on which it shows.
    shows: &'static str,
    /// File, right text, wrong text.
    edits: &'static [(&'static str, &'static str, &'static str)],
}

macro_rules! mistakes {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $(where $shows:tt)? { $($file:literal: $right:literal => $wrong:literal,)+ }
    )*) => {
        pub(crate) const MISTAKES: &[crate::Mistake] = &[$(crate::Mistake {
            name: stringify!($name),
            breaks: concat!($($doc),+),
            shows: concat!($(stringify!($shows),)? ""),
            edits: &[$(($file, $right, $wrong)),+],
        }),*];
    };
}

mod mistakes;

fn main() {
    let sources = Path::new("../../writer/src");
    for path in ["mistakes.rs", "instrument.rs", "../../writer/src"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let mut edits: BTreeMap<&str, Vec<Edit<'_>>> = BTreeMap::new();
    for mistake in MISTAKES {
        for &(file, right, wrong) in mistake.edits {
            edits.entry(file).or_default().push(Edit { mistake: mistake.name, right, wrong });
        }
    }
    // What is no longer there must not be compiled.
    let _ = fs::remove_dir_all(out.join("writer"));
    let mut problems = Vec::new();
    for file in files(sources, "") {
        let source = fs::read_to_string(sources.join(&file)).expect("a source file");
        let edits = edits.remove(&*file).unwrap_or_default();
        let text = match instrument(&copied(&file, &source), &edits) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(format!("writer/src/{file}: {problem}"));
                continue;
            }
        };
        let to = out.join("writer").join(&file);
        fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("OUT_DIR can be written to");
        fs::write(to, text).expect("OUT_DIR can be written to");
    }
    problems.extend(edits.keys().map(|file| format!("writer/src/{file}: there is no such file")));
    assert!(problems.is_empty(), "mistakes.rs does not fit the writer:\n{}", problems.join("\n"));
    fs::write(out.join("mistakes.rs"), enumeration()).expect("OUT_DIR can be written to");
}

/// The source files below a folder, without tests.
fn files(root: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(below)).expect("the writer's sources") {
        let entry = entry.expect("a folder's entry");
        let name = entry.file_name().into_string().expect("source files have plain names");
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        match entry.file_type().expect("a folder's entry").is_dir() {
            true => found.extend(files(root, &path)),
            false => found.push(path),
        }
    }
    found
}

/// What is copied of a file: no tests, nothing that is shared, and of the root nothing that a file that is included
/// cannot have.
fn copied(file: &str, source: &str) -> String {
    let code = source.split("\n#[cfg(test)]\nmod tests").next().expect("there is a first part");
    let mut text = code.to_owned();
    if file == "lib.rs" {
        text = text
            .lines()
            .filter(|line| !line.starts_with("//!") && !line.starts_with("#!["))
            .fold(String::new(), |text, line| text + line + "\n");
    }
    for (_, modules) in SHARED.iter().filter(|(parent, _)| *parent == file) {
        let path = file.trim_end_matches("lib.rs").trim_end_matches("mod.rs").replace('/', "::");
        for module in *modules {
            let (declared, shared) =
                (format!("pub mod {module};"), format!("pub use heapmatrix_writer::{path}{module};"));
            assert!(text.contains(&declared), "writer/src/{file} has no {declared}");
            text = text.replace(&declared, &shared);
        }
    }
    text
}

/// `enum Mistake`.
fn enumeration() -> String {
    let mut text = String::from(
        "/// A mistake that the writer can make.\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum Mistake {\n",
    );
    let (mut all, mut breaks, mut shows) = (String::new(), String::new(), String::new());
    for mistake in MISTAKES {
        let name = mistake.name;
        let what = mistake.breaks.trim();
        writeln!(text, "    /// {what}\n    {name},").unwrap();
        write!(all, "Mistake::{name}, ").unwrap();
        writeln!(breaks, "            Mistake::{name} => {what:?},").unwrap();
        if !mistake.shows.is_empty() {
            writeln!(shows, "            Mistake::{name} => {},", mistake.shows).unwrap();
        }
    }
    text + &format!(
        "}}

impl Mistake {{
    /// Every mistake, in the order of the reference's code.
    pub const ALL: &[Mistake] = &[{all}];

    /// What is wrong in the dumps.
    pub fn breaks(self) -> &'static str {{
        match self {{
{breaks}        }}
    }}

    /// Whether it shows on a machine; elsewhere the wrong writer is right.
    pub fn shows_on(self, target: AnyTarget) -> bool {{
        match self {{
{shows}            _ => true,
        }}
    }}
}}
"
    )
}
