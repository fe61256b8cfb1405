//! Machine-independent code while it is being written: ops, labels, and what the linker's tables will
//! say of the functions.

use heapmatrix_writer::AnyTarget;

use crate::guest::ir::{Label, Op, Reg, Width};
use crate::image::facts::{FactError, Layouts};

/// Whose code a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// A function of the world.
    World(usize),
    /// One that every image has, under this name.
    Image(&'static str),
}

/// What stands between two modules: no table has it.
pub(crate) const GAP: Whose = Whose::Image("heapmatrix.gap");

/// A function's code, with the values that its tables give to ranges of PCs: each list has the op from
/// which on a value holds, in order, beginning with the entry.
#[derive(Clone, Debug)]
pub(crate) struct FunctionCode {
    /// Whose it is.
    pub whose: Whose,
    /// The label of its entry.
    pub entry: Label,
    /// Its first op.
    pub start: usize,
    /// `pcsp`: by how many bytes SP has moved since the entry.
    pub sp: Vec<(usize, i32)>,
    /// `pcln`: source lines.
    pub lines: Vec<(usize, i32)>,
    /// `PCDATA_StackMapIndex`.
    pub stack_maps: Vec<(usize, i32)>,
}

/// A guest program under construction.
pub(crate) struct Code {
    pub target: AnyTarget,
    pub layouts: Layouts,
    /// The ops so far.
    pub ops: Vec<Op>,
    /// The functions so far, in address order.
    pub functions: Vec<FunctionCode>,
    labels: u32,
}

impl Code {
    pub fn new(target: AnyTarget, layouts: Layouts) -> Code {
        Code { target, layouts, ops: Vec::new(), functions: Vec::new(), labels: 0 }
    }

    /// A label that is not bound yet.
    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// So many labels.
    pub fn labels(&mut self, count: usize) -> Vec<Label> {
        (0..count).map(|_| self.label()).collect()
    }

    /// Binds a label to the next op.
    pub fn bind(&mut self, label: Label) {
        self.ops.push(Op::Label(label));
    }

    /// The index of the next op.
    pub fn here(&self) -> usize {
        self.ops.len()
    }

    /// Appends ops.
    pub fn emit(&mut self, ops: &[Op]) {
        self.ops.extend_from_slice(ops);
    }

    /// Begins a function whose entry is `entry`, with a frame of nothing, at a line of its file.
    pub fn function(&mut self, whose: Whose, entry: Label, line: i32) {
        self.ops.push(Op::Align(16));
        let start = self.here();
        self.bind(entry);
        self.functions.push(FunctionCode {
            whose,
            entry,
            start,
            sp: vec![(start, 0)],
            lines: vec![(start, line)],
            stack_maps: vec![(start, -1)],
        });
    }

    /// The function that is being written.
    pub fn current(&mut self) -> &mut FunctionCode {
        self.functions.last_mut().expect("code is written function by function")
    }

    /// The width of the target's words, in bytes.
    pub fn word(&self) -> i32 {
        self.target.ptr_size() as i32
    }

    /// The base-2 logarithm of [`word`](Code::word).
    pub fn word_shift(&self) -> u8 {
        self.target.ptr_size().trailing_zeros() as u8
    }

    /// The offset of a field.
    pub fn offset(&self, structure: &str, path: &str) -> Result<i32, FactError> {
        Ok(self.layouts.offset(structure, path)? as i32)
    }

    /// `dst = base.path`, zero-extended.
    pub fn load(&mut self, dst: Reg, base: Reg, structure: &str, path: &str) -> Result<(), FactError> {
        let (offset, width) = self.number(structure, path)?;
        self.ops.push(Op::Load(dst, base, offset, width));
        Ok(())
    }

    /// `base.path = src`.
    pub fn store(&mut self, src: Reg, base: Reg, structure: &str, path: &str) -> Result<(), FactError> {
        let (offset, width) = self.number(structure, path)?;
        self.ops.push(Op::Store(src, base, offset, width));
        Ok(())
    }

    fn number(&self, structure: &str, path: &str) -> Result<(i32, Width), FactError> {
        let number = self.layouts.number(structure, path)?;
        let width = match number.width {
            w if w == self.target.ptr_size() => Width::Word,
            1 => Width::B1,
            2 => Width::B2,
            4 => Width::B4,
            // 64-bit numbers on 32-bit machines are written by whole structures and not by registers.
            _ => {
                return Err(FactError::Composite {
                    structure: structure.to_owned(),
                    field: path.to_owned(),
                    typ: "number of two words".to_owned(),
                });
            }
        };
        Ok((number.offset as i32, width))
    }
}
