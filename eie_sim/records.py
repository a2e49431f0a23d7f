"""`Record`: what configurations of the simulator are made of, checked when they are made."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from compressor.messages import shown


class FieldsDisagree(ValueError):
    """Fields of a record that are allowed each by itself, but not together."""


class Record(BaseModel):
    """A frozen record whose errors are ValueErrors of one line that name the field, the value and the limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            found = error.errors()
            apart = any(isinstance(e.get("ctx", {}).get("error"), FieldsDisagree) for e in found)
            raise (FieldsDisagree if apart else ValueError)("; ".join(map(self._one_line, found))) from None

    @classmethod
    def _one_line(cls, error: Any) -> str:
        field = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            return f"{field}: unknown field; the fields are {', '.join(cls.model_fields)}"
        if error["type"] == "missing":
            return f"{field}: missing; it is {cls.model_fields[field].description}"
        if error["type"] == "value_error":
            # A check of the whole record names its field itself.
            return f"{field}.{error['ctx']['error']}" if field else str(error["ctx"]["error"])
        return f"{field}: {shown(error['input'])}: {error['msg']}"

    def replace(self, **changes: Any) -> Self:
        """The record with `changes`, checked as a new one.

        Raises
        ------
        ValueError
            When a field is unknown or a value is out of its limits.
        """
        # By the names of the fields: `dict(self)` would bring cached properties too.
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As `replace`: pydantic's own would take changes unchecked."""
        del deep  # nothing inside can change
        return self.replace(**(update or {}))
