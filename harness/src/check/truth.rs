//! What is known of a dump's contents, and where what a reader says differs from it.
//!
//! Contents are known as *records*, one JSON object for each, in the names of `corpora/README.md`; or only as *facts*,
//! which are counts and sums. Facts follow from records.

use std::collections::BTreeMap;

use heapmatrix_reader::Kind;
use serde_json::{Map, Value, json};

use super::said::{Line, Said};

/// The contents of a dump.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Counts and sums: numbers in objects.
    pub facts: Map<String, Value>,
    /// The records in the order of the dump, if they are known.
    pub records: Option<Vec<Line>>,
}

/// Where the contents of a dump are known from. They are large: loaded when they are needed.
#[derive(Clone, Debug)]
pub enum Known {
    /// The text of a JSON file of the golden corpus: `records`.
    Records(Vec<u8>),
    /// The text of a JSON file of `count.py`.
    Facts(Vec<u8>),
    /// Records that somebody has just made a dump of.
    Made(Truth),
}

impl Known {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is not what it should be.
    pub fn load(&self) -> Result<Truth, String> {
        let parse = |bytes: &[u8]| match serde_json::from_slice(bytes) {
            Ok(Value::Object(document)) => Ok(document),
            Ok(_) => Err("the JSON beside the dump is no object".to_owned()),
            Err(error) => Err(format!("the JSON beside the dump: {error}")),
        };
        match self {
            Self::Made(truth) => Ok(truth.clone()),
            Self::Facts(bytes) => Ok(Truth { facts: parse(bytes)?, records: None }),
            Self::Records(bytes) => {
                let mut document = parse(bytes)?;
                let Some(Value::Array(records)) = document.remove("records") else {
                    return Err("the JSON beside the dump has no records".to_owned());
                };
                let records = records.into_iter().map(Line::new).collect::<Result<_, _>>()?;
                let text = |name| document.get(name).and_then(Value::as_str).unwrap_or_default();
                Ok(Truth::new(text("format"), text("arch"), records))
            }
        }
    }
}

impl Truth {
    /// The truth of a dump that has these records.
    pub fn new(format: &str, machine: &str, mut records: Vec<Line>) -> Self {
        for params in records.iter_mut().filter(|line| line.kind == "params") {
            params.values.insert("arch".to_owned(), machine.into());
        }
        let mut facts = facts(&records, &Kind::ALL.map(Kind::name));
        facts.insert("format".to_owned(), format.into());
        Self { facts, records: Some(records) }
    }

    /// The first difference of what a reader says, in words.
    ///
    /// # Errors
    /// The difference.
    pub fn compare(&self, said: &Said) -> Result<(), String> {
        let mut compared = 0;
        differ(&self.facts, &said.facts, &mut String::new(), &mut compared)?;
        if compared == 0 {
            return Err("said nothing to compare: no `records` with counts".to_owned());
        }
        match (&self.records, &said.lines) {
            (Some(known), Some(lines)) => compare_lines(known, lines, &said.kinds),
            _ => Ok(()),
        }
    }
}

/// Counts and sums of records. Of those kinds that a reader tells of at all, so that one which leaves some out is held
/// to what it says.
pub fn facts(lines: &[Line], kinds: &[&str]) -> Map<String, Value> {
    let mut counts: BTreeMap<&str, u64> = kinds.iter().map(|&kind| (kind, 0)).collect();
    let mut rooms: BTreeMap<&str, [Option<u64>; 3]> = BTreeMap::new();
    for (kind, room) in ROOMS {
        if kinds.contains(&kind) {
            rooms.insert(room, [Some(0); 3]);
        }
    }
    let mut facts = Map::new();
    for line in lines {
        *counts.entry(&line.kind).or_default() += line.count;
        if let Some((_, room)) = ROOMS.iter().find(|(kind, _)| *kind == line.kind) {
            let sums = rooms.entry(room).or_insert([Some(0); 3]);
            for (sum, value) in sums.iter_mut().zip([Some(1), line.number("size"), line.pointers()]) {
                // What one line leaves out, the sum does not have.
                *sum = sum.zip(value).map(|(sum, value)| sum.wrapping_add(value.wrapping_mul(line.count)));
            }
        }
        if line.kind == "params" {
            let names = [
                ("big_endian", "big_endian"),
                ("ptr_size", "pointer_size"),
                ("heap_start", "heap_start"),
                ("heap_end", "heap_end"),
                ("arch", "arch"),
                ("experiment", "experiment"),
                ("ncpu", "cpus"),
            ];
            let values = names
                .into_iter()
                .filter_map(|(fact, name)| Some((fact.to_owned(), line.values.get(name)?.clone())));
            facts.insert("params".to_owned(), Value::Object(values.collect()));
        }
        if line.kind == "memstats" {
            let values = line.values.iter().filter(|(_, value)| value.is_number());
            facts.insert("memstats".to_owned(), values.map(|(k, v)| (k.clone(), v.clone())).collect());
        }
    }
    for (room, [count, bytes, pointers]) in rooms {
        let mut sums = Map::new();
        let counted = match room {
            "heap" => Some("objects"),
            "stack" => Some("frames"),
            _ => None,
        };
        let named = [(counted, count), (Some("bytes"), bytes), (Some("pointers"), pointers)];
        sums.extend(named.into_iter().filter_map(|(name, sum)| Some((name?.to_owned(), sum?.into()))));
        facts.insert(room.to_owned(), Value::Object(sums));
    }
    facts.insert("records".to_owned(), json!(counts));
    facts
}

/// Where the contents of records are.
const ROOMS: [(&str, &str); 4] =
    [("object", "heap"), ("stackframe", "stack"), ("data", "data"), ("bss", "bss")];

/// The names that readers may use for the same fact.
const FACTS: [(&str, &str); 6] = [
    ("lookups", "nlookup"),
    ("mallocs", "nmalloc"),
    ("frees", "nfree"),
    ("stack_inuse", "stacks_inuse"),
    ("stack_sys", "stacks_sys"),
    ("buck_hash_sys", "buckhash_sys"),
];

fn said_of<'a>(said: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    said.get(name).or_else(|| {
        FACTS.iter().find_map(|&(a, b)| match name {
            _ if name == a => said.get(b),
            _ if name == b => said.get(a),
            _ => None,
        })
    })
}

/// The first value that is in both and differs.
fn differ(
    known: &Map<String, Value>,
    said: &Map<String, Value>,
    path: &mut String,
    compared: &mut usize,
) -> Result<(), String> {
    for (name, known) in known {
        // `pause_ns` is a sum in one document and a list in another.
        let Some(said) = said_of(said, name).filter(|_| name != "pause_ns") else { continue };
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        match (known, said) {
            (Value::Object(known), Value::Object(said)) => differ(known, said, path, compared)?,
            (Value::Object(_), _) => {}
            _ if same(known, said) => *compared += usize::from(known.is_number()),
            _ => return Err(format!("{path} is {}, not {}", show(known), show(said))),
        }
        path.truncate(length);
    }
    Ok(())
}

/// The first record that differs in a value which both have.
fn compare_lines(known: &[Line], said: &[Line], kinds: &[&str]) -> Result<(), String> {
    // A line that stands for several says nothing of each.
    if said.iter().any(|line| line.count != 1) {
        return Ok(());
    }
    let known = known.iter().filter(|line| kinds.contains(&&*line.kind));
    for (number, (known, said)) in known.zip(said).enumerate() {
        let name = known.what();
        if known.kind != said.kind {
            return Err(format!("line {}: {name} is a {}, not a {}", number + 1, known.kind, said.kind));
        }
        for (field, value) in &said.values {
            let Some(right) = known.get(field) else { continue };
            if !same(&right, value) {
                let (right, value) = (show(&right), show(value));
                return Err(format!("line {}: {name}: {field} is {right}, not {value}", number + 1));
            }
        }
    }
    Ok(())
}

/// Whether two values are the same: numbers may be decimal or strings in hexadecimal, and truth values 0 and 1.
fn same(a: &Value, b: &Value) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A number in one of its forms.
pub fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Bool(value) => Some((*value).into()),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => None,
        },
        _ => None,
    }
}

/// A value that fits into a line.
fn show(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
