"""The commands of `eie-compress`."""

from compressor.cli.compress import compress
from compressor.cli.demo import demo
from compressor.cli.info import info
from compressor.cli.options import PROGRAM
from compressor.cli.report import report
from compressor.cli.train import train
from compressor.cli.unpack import unpack
from compressor.console.app import command_line

_ABOUT = """Deep Compression (Han et al., ICLR 2016): networks pruned, shared and coded, for storage and for EIE.

`eie-compress compress model.onnx -o model.dcz --density 0.1` begins with a trained network,
`eie-compress train lenet-5 -o lenet-5.dcz --density published` with images.
"""

app = command_line(PROGRAM, _ABOUT, (compress, report, info, unpack, train, demo))
