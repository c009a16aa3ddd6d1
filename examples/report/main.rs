//! Makes one HTML page of what happened to the equipment.

fn main() {}
