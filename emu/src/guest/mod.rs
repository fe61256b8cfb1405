//! Guest code: the program that an emulated machine executes to build its heap and its stacks.

pub mod ir;
pub mod program;
