//! Where variables and members are.

use gimli::{AttributeValue, Expression, Operation, Unit};

use super::{DwarfError, Entry, Slice};

/// The only operation of an expression.
fn single<'d>(
    unit: &Unit<Slice<'d>>,
    expression: Expression<Slice<'d>>,
) -> Result<Option<Operation<Slice<'d>>>, DwarfError> {
    let mut operations = expression.operations(unit.encoding());
    let first = operations.next()?;
    Ok(if operations.next()?.is_none() { first } else { None })
}

/// The address of a variable.
pub(crate) fn address(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &Entry<'_>,
) -> Result<Option<u64>, DwarfError> {
    let Some(AttributeValue::Exprloc(expression)) = entry.attr_value(gimli::DW_AT_location) else {
        return Ok(None);
    };
    Ok(match single(unit, expression)? {
        Some(Operation::Address { address }) => Some(address),
        Some(Operation::AddressIndex { index }) => Some(dwarf.address(unit, index)?),
        _ => None,
    })
}

/// The offset of a member: a number, or in older DWARF what is to be added to the structure's address.
pub(crate) fn member(unit: &Unit<Slice<'_>>, entry: &Entry<'_>) -> Result<u64, DwarfError> {
    match entry.attr_value(gimli::DW_AT_data_member_location) {
        Some(AttributeValue::Exprloc(expression)) => Ok(match single(unit, expression)? {
            Some(Operation::PlusConstant { value }) => value,
            _ => 0,
        }),
        Some(value) => Ok(value.udata_value().unwrap_or(0)),
        None => Ok(0),
    }
}
