//! What a dump's objects are.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use heapmatrix_reader::{Index, StackFrame};

use super::dwarf::Variable;
use super::memory::Others;
use super::plan::Plans;
use super::program::Program;
use super::propagate::{Found, HEADER, Propagation};
use super::table::{Kind, TypeId, Types};
use super::{Binary, BinaryError, Global};
use crate::bits::Bits;

/// What a dump's objects are: a type for each. Takes four bytes and a bit an object.
pub struct Typing {
    pub(super) ids: Vec<TypeId>,
    pub(super) headed: Bits,
    pub(super) types: Types,
    /// By the address in the process.
    pub(super) globals: Vec<Global>,
    pub(super) variables: HashMap<u64, Rc<[Variable]>>,
    pub(super) itabs: HashMap<u64, TypeId>,
    pub(super) slide: u64,
    /// Where the pointers of types are, as far as anybody has asked.
    pub(super) plans: RefCell<Plans>,
}

/// How much of a dump's objects has a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// All objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The objects whose type is known.
    pub typed_objects: u64,
    /// Their bytes.
    pub typed_bytes: u64,
    /// Of these, the blocks of the tiny allocator.
    pub tiny_bytes: u64,
    /// The bytes of objects of which only a part is known.
    pub partial_bytes: u64,
}

impl Typing {
    /// Finds the types of a dump's objects: with the program's file as far as it says, without it as far as the dump says.
    ///
    /// # Errors
    /// If the dump is not of this program.
    pub fn new(index: &Index<'_>, binary: Option<&Binary<'_>>) -> Result<Self, BinaryError> {
        let others = Others::of(index);
        let slide = binary.map_or(Ok(0), |binary| binary.check(&others))?;
        let word = index.dump().params().pointer_size.bytes();
        let mut propagation = Propagation::new(index, &others, Program::new(binary, slide, word));
        propagation.find_all(&others, binary);
        let Found { ids, headed, itabs, program } = propagation.into_found();
        let mut globals = binary.map_or_else(Vec::new, |binary| binary.dwarf.globals.clone());
        for global in &mut globals {
            global.address = program.in_process(global.address);
        }
        let (types, variables) = program.into_parts();
        Ok(Self { ids, headed, types, globals, variables, itabs, slide, plans: RefCell::default() })
    }

    /// An object's type.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn type_of(&self, object: usize) -> TypeId {
        self.ids[object]
    }

    /// Where an object's value starts, in bytes: after the malloc header, if there is one.
    pub fn start_of(&self, object: usize) -> u64 {
        if self.headed.get(object) { HEADER } else { 0 }
    }

    /// All types.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// A type's name, as Go prints it.
    pub fn name(&self, id: TypeId) -> &str {
        &self.types.get(id).name
    }

    /// Where in a type an offset is: see [`Types::path`].
    pub fn path(&self, id: TypeId, offset: u64) -> String {
        self.types.path(id, offset)
    }

    /// The global variables, by address in the process: none without debugging information.
    pub fn globals(&self) -> &[Global] {
        &self.globals
    }

    /// The global variable in which an address is, and how far in it, in bytes.
    pub fn global(&self, address: u64) -> Option<(&Global, u64)> {
        let after = self.globals.partition_point(|global| global.address <= address);
        let global = &self.globals[after.checked_sub(1)?];
        let offset = address - global.address;
        (offset < self.types.get(global.type_).size).then_some((global, offset))
    }

    /// The variable of a frame that is at an offset of its contents, with the path in it: `server.sessions`.
    pub fn variable(&self, frame: &StackFrame<'_>, offset: u64) -> Option<String> {
        let variables = self.variables.get(&frame.function.entry.wrapping_sub(self.slide))?;
        let pc = frame.function.pc.wrapping_sub(self.slide).saturating_sub(1);
        // From where the caller's frame starts, as variables count.
        let wanted = (offset as i64).wrapping_sub(frame.contents.len() as i64);
        variables.iter().find_map(|variable| {
            let mut inside = 0u64;
            for piece in variable.pieces(pc)? {
                let size = piece.size.unwrap_or(self.types.get(variable.type_).size);
                let in_piece = piece.offset.and_then(|start| u64::try_from(wanted.checked_sub(start)?).ok());
                if let Some(in_piece) = in_piece.filter(|&in_piece| in_piece < size) {
                    return Some(format!(
                        "{}{}",
                        variable.name,
                        self.path(variable.type_, in_piece.saturating_add(inside))
                    ));
                }
                inside = size.saturating_add(inside);
            }
            None
        })
    }

    /// The type that an itab stands for.
    pub fn itab(&self, address: u64) -> Option<TypeId> {
        self.itabs.get(&address).copied()
    }

    /// The type whose descriptor is at an address of the process.
    pub fn descriptor(&self, address: u64) -> Option<TypeId> {
        self.types.by_descriptor.get(&address.wrapping_sub(self.slide)).copied()
    }

    /// Where the program's file has an address of the process.
    pub(super) fn in_binary(&self, address: u64) -> u64 {
        address.wrapping_sub(self.slide)
    }

    /// How much of a dump's objects has a type, of those that `counts` is true of.
    pub fn share(&self, index: &Index<'_>, counts: impl Fn(usize) -> bool) -> Share {
        let mut share = Share::default();
        for object in (0..self.ids.len()).filter(|&object| counts(object)) {
            let bytes = index.size(object);
            share.objects += 1;
            share.bytes += bytes;
            match self.types.get(self.ids[object]).kind {
                Kind::Sized { .. } | Kind::Header(_) => continue,
                Kind::Unknown if self.ids[object] == TypeId::UNKNOWN => continue,
                Kind::Partial { .. } => {
                    share.partial_bytes += bytes;
                    continue;
                }
                _ => {}
            }
            share.typed_objects += 1;
            share.typed_bytes += bytes;
            if self.ids[object] == TypeId::TINY {
                share.tiny_bytes += bytes;
            }
        }
        share
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent =
            |part: u64, whole: u64| if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 };
        write!(
            f,
            "{:.2} % of the bytes have a type ({:.2} % of the objects; of {:.2} % of the bytes a part is known)",
            percent(self.typed_bytes, self.bytes),
            percent(self.typed_objects, self.objects),
            percent(self.partial_bytes, self.bytes),
        )
    }
}
