//! What a reader prints, understood: JSON with counts, JSON with a line for each record, or text through an adapter.

use heapmatrix_reader::Kind;
use serde_json::{Map, Value};

use super::adapter::Adapter;
use super::truth::{facts, number};

/// What a reader says of a dump.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Counts and sums.
    pub facts: Map<String, Value>,
    /// Its records, in order, if it tells of each.
    pub lines: Option<Vec<Line>>,
    /// The kinds of records that it tells of.
    pub kinds: Vec<&'static str>,
}

/// A record as JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The kind of the record.
    pub kind: String,
    /// How many records the line stands for: more than one only in what adapters find.
    pub count: u64,
    /// Its fields.
    pub values: Map<String, Value>,
}

/// Names of `heapmatrix print --jsonl`, and those of the corpus.
const ALIASES: [(&str, &str, &str); 6] = [
    ("params", "ptr_size", "pointer_size"),
    ("params", "ncpu", "cpus"),
    ("itab", "type", "type_address"),
    ("stackframe", "address", "sp"),
    ("stackframe", "function", "name"),
    ("otherroot", "to", "target"),
];

impl Line {
    /// A record from its JSON, in any of its spellings.
    ///
    /// # Errors
    /// If it is no object with a kind.
    pub fn new(value: Value) -> Result<Self, String> {
        let Value::Object(mut values) = value else { return Err("a record is no JSON object".to_owned()) };
        let Some(Value::String(kind)) = values.remove("kind") else {
            return Err("a record has no `kind`".to_owned());
        };
        for (_, name, known) in ALIASES.iter().filter(|(of, ..)| *of == kind) {
            if let Some(value) = values.remove(*name) {
                values.insert((*known).to_owned(), value);
            }
        }
        for (name, value) in &mut values {
            normalise(name, value);
        }
        Ok(Self { kind, count: 1, values })
    }

    /// A value that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.values.get(name).and_then(number)
    }

    /// The number of pointer fields.
    pub fn pointers(&self) -> Option<u64> {
        match self.values.get("fields") {
            Some(Value::Array(fields)) => Some(fields.len() as u64),
            _ => self.number("pointers"),
        }
    }

    /// A value, or the number of pointer fields that follows from them.
    pub fn get(&self, name: &str) -> Option<Value> {
        match name {
            "pointers" => self.pointers().map(Value::from),
            _ => self.values.get(name).cloned(),
        }
    }

    /// What the record is, for people.
    pub fn what(&self) -> &str {
        self.values.get("what").and_then(Value::as_str).unwrap_or(&self.kind)
    }
}

/// Brings a value into the corpus's form.
fn normalise(name: &str, value: &mut Value) {
    match (name, value) {
        ("contents", Value::String(hex)) => {
            // Bytes, without the zero bytes at their end.
            hex.make_ascii_lowercase();
            while hex.len() % 2 == 0 && hex.ends_with("00") {
                hex.truncate(hex.len() - 2);
            }
        }
        ("fields", Value::Array(fields)) => {
            for field in fields {
                if let Some(offset) = field.get("offset").cloned() {
                    *field = offset;
                }
            }
        }
        ("stack", Value::Array(calls)) => {
            for call in calls {
                if let Value::Object(named) = call {
                    let part = |name: &str| named.get(name).cloned().unwrap_or_default();
                    *call = Value::Array(["function", "file", "line"].map(part).into());
                }
            }
        }
        _ => {}
    }
}

impl Said {
    /// Understands JSON: an object with facts, or an object on each line for each record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(printed: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice::<Value>(printed) {
            Ok(Value::Object(facts)) if !facts.contains_key("kind") => {
                return Ok(Self { facts, lines: None, kinds: Vec::new() });
            }
            _ => {}
        }
        let lines = printed.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let line = |(number, line): (usize, &[u8])| -> Result<Line, String> {
            let value = serde_json::from_slice(line).map_err(|error| error.to_string());
            value
                .and_then(Line::new)
                .map_err(|error| format!("printed no JSON: line {}: {error}", number + 1))
        };
        let lines = lines.map(line).collect::<Result<Vec<Line>, String>>()?;
        if lines.is_empty() {
            return Err("printed nothing".to_owned());
        }
        if let Some(line) = lines.iter().find(|line| Kind::ALL.iter().all(|kind| kind.name() != line.kind)) {
            return Err(format!("there is no kind of record named {}", line.kind));
        }
        let kinds = Kind::ALL.map(Kind::name).to_vec();
        Ok(Self { facts: facts(&lines, &kinds), lines: Some(lines), kinds })
    }

    /// Understands text, as an adapter says.
    ///
    /// # Errors
    /// If nothing in it is what the adapter knows.
    pub fn adapted(printed: &[u8], adapter: &Adapter) -> Result<Self, String> {
        let lines = adapter.lines(printed);
        if lines.is_empty() {
            return Err(format!("printed no line that the adapter {} knows", adapter.name()));
        }
        let kinds = adapter.kinds();
        Ok(Self { facts: facts(&lines, &kinds), lines: Some(lines), kinds })
    }
}
