//! Writes small ELF files of every word size and byte order.

/// A machine: how its numbers are written, and its name in ELF and in Go.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub goarch: &'static str,
    pub elf: u64,
    pub word: usize,
    pub big_endian: bool,
}

/// One of each word size and byte order.
pub const MACHINES: [Machine; 4] = [
    Machine { goarch: "amd64", elf: 62, word: 8, big_endian: false },
    Machine { goarch: "ppc64", elf: 21, word: 8, big_endian: true },
    Machine { goarch: "386", elf: 3, word: 4, big_endian: false },
    Machine { goarch: "mips", elf: 8, word: 4, big_endian: true },
];

impl Machine {
    /// Appends a number of so many bytes.
    pub fn put(&self, out: &mut Vec<u8>, number: u64, size: usize) {
        let bytes = number.to_be_bytes();
        let bytes = bytes[8 - size..].iter().copied();
        if self.big_endian { out.extend(bytes) } else { out.extend(bytes.rev()) }
    }

    /// Words, one after the other.
    pub fn words(&self, words: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        for &word in words {
            self.put(&mut out, word, self.word);
        }
        out
    }
}

/// What a file has.
#[derive(Default)]
pub struct Elf {
    /// Names, addresses and contents. Those with an address are in memory.
    pub sections: Vec<(String, u64, Vec<u8>)>,
    /// Names and values of symbols, and whether they are functions.
    pub symbols: Vec<(String, u64, bool)>,
    /// Whether sections without an address are compressed.
    pub compressed: bool,
}

const COMPRESSED: u64 = 0x800;

impl Elf {
    pub fn build(mut self, machine: Machine) -> Vec<u8> {
        let word = machine.word;
        let put = |out: &mut Vec<u8>, fields: &[(u64, usize)]| {
            for &(number, size) in fields {
                machine.put(out, number, size);
            }
        };
        let (mut strings, mut symbols) = (vec![0], vec![0; if word == 8 { 24 } else { 16 }]);
        for (name, value, function) in &self.symbols {
            let (name, info) = (string(&mut strings, name), if *function { 2 } else { 1 });
            match word {
                8 => put(&mut symbols, &[(name, 4), (info, 1), (0, 1), (1, 2), (*value, 8), (0, 8)]),
                _ => put(&mut symbols, &[(name, 4), (*value, 4), (0, 4), (info, 1), (0, 1), (1, 2)]),
            }
        }
        let strings_number = self.sections.len() as u64 + 2;
        self.sections.push((".symtab".into(), 0, symbols));
        self.sections.push((".strtab".into(), 0, strings));

        let (header, program, section) = if word == 8 { (64, 56, 64) } else { (52, 32, 40) };
        let loaded = self.sections.iter().filter(|section| section.1 != 0).count() as u64;
        let mut contents = vec![0; header + program * loaded as usize];
        let (mut programs, mut sections) = (Vec::new(), vec![0; section]);
        let mut names = vec![0];
        for (name, address, bytes) in &self.sections {
            let (kind, link, entry) = match &name[..] {
                ".symtab" => (2, strings_number, if word == 8 { 24 } else { 16 }),
                ".strtab" => (3, 0, 0),
                _ => (1, 0, 0),
            };
            let compress = self.compressed && *address == 0 && kind == 1;
            let stored = if compress { compressed(machine, bytes) } else { bytes.clone() };
            let flags = if compress { COMPRESSED } else { u64::from(*address != 0) * 2 };
            let (at, length) = (contents.len() as u64, stored.len() as u64);
            contents.extend(&stored);
            let name = string(&mut names, name);
            put(
                &mut sections,
                &[(name, 4), (kind, 4), (flags, word), (*address, word), (at, word), (length, word)],
            );
            put(&mut sections, &[(link, 4), (1, 4), (1, word), (entry, word)]);
            if *address != 0 {
                match word {
                    8 => put(&mut programs, &[(1, 4), (6, 4), (at, 8), (*address, 8), (*address, 8)]),
                    _ => put(&mut programs, &[(1, 4), (at, 4), (*address, 4), (*address, 4)]),
                }
                match word {
                    8 => put(&mut programs, &[(length, 8), (length, 8), (1, 8)]),
                    _ => put(&mut programs, &[(length, 4), (length, 4), (6, 4), (1, 4)]),
                }
            }
        }
        let name = string(&mut names, ".shstrtab");
        let (at, length) = (contents.len() as u64, names.len() as u64);
        contents.extend(&names);
        put(&mut sections, &[(name, 4), (3, 4), (0, word), (0, word), (at, word), (length, word)]);
        put(&mut sections, &[(0, 4), (0, 4), (1, word), (0, word)]);

        let sections_at = contents.len() as u64;
        contents.extend(&sections);
        let mut head = vec![0x7f, b'E', b'L', b'F', (word / 4) as u8, 1 + u8::from(machine.big_endian), 1];
        head.resize(16, 0);
        put(
            &mut head,
            &[(2, 2), (machine.elf, 2), (1, 4), (0, word), (header as u64, word), (sections_at, word)],
        );
        put(&mut head, &[(0, 4), (header as u64, 2), (program as u64, 2), (loaded, 2), (section as u64, 2)]);
        put(&mut head, &[(strings_number + 2, 2), (strings_number + 1, 2)]);
        contents[..header].copy_from_slice(&head);
        contents[header..header + programs.len()].copy_from_slice(&programs);
        contents
    }
}

/// Adds a string to a table, and tells where it is.
fn string(table: &mut Vec<u8>, text: &str) -> u64 {
    let at = table.len() as u64;
    table.extend(text.bytes());
    table.push(0);
    at
}

/// A section as `SHF_COMPRESSED` has it.
fn compressed(machine: Machine, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = Vec::new();
    machine.put(&mut out, 1, 4);
    out.resize(machine.word, 0);
    machine.put(&mut out, bytes.len() as u64, machine.word);
    machine.put(&mut out, 1, machine.word);
    let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
