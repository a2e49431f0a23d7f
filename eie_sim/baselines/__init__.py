"""What EIE is compared with: processors with dense and sparse models of their time, and published accelerators.

A processor is a `Device`: peak rate, bandwidth, last-level cache, launch cost and power, each with its source, in a
TOML file (`read_device`; `devices` gives the three of the paper). `roofline` turns one and a layer's shape into a time,
`fit` finds the share of the roofline that its library reached from published times, `published` sets the model beside
the printed numbers, with the error of a prediction that never saw the layer. `platforms` are the rows of EIE Table V,
the FPGA and the ASICs among them, which have a throughput and a power but no roofline.

This host itself: `measure_cpu` times dense and sparse libraries on it, in a process for each number of threads.

Whole networks: `network_roofline` adds up the rooflines of their nodes; `measure_network` times ONNX Runtime here.
"""
