"""The tables and figures of the EIE paper, one file each: what is made here beside what is published."""
