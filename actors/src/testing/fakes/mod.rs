//! Stand-ins for ports that tests drive.
