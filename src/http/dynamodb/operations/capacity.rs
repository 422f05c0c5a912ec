//! What a request would have cost: capacity units by the rules of the developer guide, "Read and write capacity units".

use crate::http::dynamodb::json_out::JsonWriter;
use crate::http::dynamodb::requests::ReturnConsumedCapacity;

/// What one write unit covers.
const WRITE_UNIT_BYTES: usize = 1024;

/// What one read unit covers, if all writes before are seen; else half of one.
const READ_UNIT_BYTES: usize = 4096;

/// Of a write of an item that had, or has, so many bytes.
pub(super) fn of_write(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as f64
}

/// Of a read of so many bytes.
pub(super) fn of_read(bytes: usize, consistent: Option<bool>) -> f64 {
    let units = bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64;
    if consistent.unwrap_or(false) { units } else { units / 2.0 }
}

/// Which kind of units it was. Only transactions say it.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Not said.
    Unsaid,
    /// It read.
    Read,
    /// It wrote.
    Write,
}

/// Writes `ConsumedCapacity`, where it was asked for.
pub(super) fn write(out: &mut JsonWriter, asked: Option<ReturnConsumedCapacity>, table: &str, units: f64) {
    if is_asked(asked) {
        out.name("ConsumedCapacity");
        write_one(out, asked, table, units, Kind::Unsaid);
    }
}

/// Writes `ConsumedCapacity` of several tables, where it was asked for.
pub(super) fn write_all<'a>(
    out: &mut JsonWriter,
    asked: Option<ReturnConsumedCapacity>,
    tables: impl IntoIterator<Item = (&'a str, f64)>,
    kind: Kind,
) {
    if is_asked(asked) {
        out.name("ConsumedCapacity")
            .array(|out| tables.into_iter().for_each(|(table, units)| write_one(out, asked, table, units, kind)));
    }
}

/// Whether the reply says what it cost: that depends on what was there.
pub(super) fn is_asked(asked: Option<ReturnConsumedCapacity>) -> bool {
    !matches!(asked, None | Some(ReturnConsumedCapacity::None))
}

fn write_one(out: &mut JsonWriter, asked: Option<ReturnConsumedCapacity>, table: &str, units: f64, kind: Kind) {
    let write_units = |out: &mut JsonWriter| {
        out.name("CapacityUnits").float(units);
        match kind {
            Kind::Unsaid => {}
            Kind::Read => out.name("ReadCapacityUnits").float(units),
            Kind::Write => out.name("WriteCapacityUnits").float(units),
        }
    };
    out.object(|out| {
        out.name("TableName").text(table);
        write_units(out);
        if asked == Some(ReturnConsumedCapacity::Indexes) {
            out.name("Table").object(write_units);
        }
    });
}
