//! Hand-made target memories, and what the reference makes of them.

mod image;
mod records;
mod stacks;
mod symtab;
mod write;
