//! One log file for each piece of equipment.
