//! pprof's `profile.proto`.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Strings;
use crate::heap::{Heap, Names};
use crate::paths::{MergedPaths, Paths};
use crate::tree::Tree;

/// A protocol buffer's message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) -> &mut Self {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn packed(&mut self, field: u64, numbers: &[u64]) -> &mut Self {
        let mut packed = Self::default();
        numbers.iter().for_each(|&number| packed.varint(number));
        self.bytes(field, &packed.0)
    }

    fn message(&mut self, field: u64, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }
}

/// What a sample counts, and in what.
const VALUES: [(&str, &str); 4] = [
    ("dominators_objects", "count"),
    ("dominators_bytes", "bytes"),
    ("paths_objects", "count"),
    ("paths_bytes", "bytes"),
];

/// The profile so far. A location is a function, whose number and name's number it has, less one.
struct Profile {
    message: Message,
    strings: Strings,
    functions: Strings,
}

impl Profile {
    fn sample(&mut self, stack: impl Iterator<Item = String>, values: [u64; 4]) {
        let locations: Vec<u64> = stack.map(|name| self.functions.number(name) + 1).collect();
        let mut sample = Message::default();
        sample.packed(1, &locations).packed(2, &values);
        self.message.message(2, &sample);
    }
}

pub(super) fn write(heap: &Heap<'_, '_>, out: impl Write) -> io::Result<()> {
    let mut profile =
        Profile { message: Message::default(), strings: Strings::default(), functions: Strings::default() };
    profile.strings.number(String::new());
    for (what, unit) in VALUES {
        let mut value = Message::default();
        value
            .number(1, profile.strings.number(what.to_owned()))
            .number(2, profile.strings.number(unit.to_owned()));
        profile.message.message(1, &value);
    }
    let mut names = Names::new(heap);
    let tree = Tree::new(heap);
    let nodes = tree.nodes();
    for node in nodes.iter().filter(|node| node.shallow > 0) {
        let stack =
            std::iter::successors(Some(node), |node| (node.depth > 0).then(|| &nodes[node.parent as usize]));
        let stack: Vec<String> = stack.map(|node| names.name(node.label, node.sample).to_owned()).collect();
        profile.sample(stack.into_iter(), [node.count, node.shallow, 0, 0]);
    }
    let paths = MergedPaths::new(heap, &Paths::new(heap), |_| true);
    let nodes = paths.nodes();
    for node in nodes.iter().filter(|node| node.ending > 0) {
        let stack =
            std::iter::successors(Some(node), |node| (node.depth > 0).then(|| &nodes[node.parent as usize]));
        let name = |node: &crate::paths::PathNode| {
            let name = names.name(node.label, node.sample);
            if node.text.is_empty() { name.to_owned() } else { format!("{} {name}", node.text) }
        };
        let stack: Vec<String> = stack.map(name).collect();
        profile.sample(stack.into_iter(), [0, 0, node.ending, node.ending_bytes]);
    }
    let Profile { mut message, mut strings, functions } = profile;
    for (id, name) in (1..).zip(functions.all) {
        let name = strings.number(name);
        let (mut line, mut location, mut function) =
            (Message::default(), Message::default(), Message::default());
        line.number(1, id);
        location.number(1, id).message(4, &line);
        function.number(1, id).number(2, name).number(3, name);
        message.message(4, &location).message(5, &function);
    }
    let default = strings.number(VALUES[1].0.to_owned());
    message.number(14, default);
    strings.all.iter().for_each(|text| {
        message.bytes(6, text.as_bytes());
    });
    let mut out = GzEncoder::new(out, Compression::default());
    out.write_all(&message.0)?;
    out.finish()?.flush()
}
