//! Guest code: the program that an emulated machine executes to build its heap and its stacks.

pub mod asm;
pub mod interpreter;
pub mod ir;
pub mod program;
