// In the paper: the arithmetic unit (section IV): b_x += S[v] a_j in four stages, with a bypass of the adder.
// In time: of an entry issued in cycle c, codebook and address in c + 2, product in c + 3, sum in c + 4, write in c + 5.
// Contract: A PE, rules 3 and 4, and Fixed point: shift, round half to even or drop, add, saturate.
module arithmetic #(
    parameter int BITS = 16,
    parameter int ACC_BITS = 16,
    parameter int WEIGHT_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int ADDRESS_BITS = 6,
    parameter bit HALF_EVEN = 1
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic [5:0]              shift,
    input  logic                    valid,
    input  logic                    first,
    input  logic [WEIGHT_BITS-1:0]  code,
    input  logic [INDEX_BITS-1:0]   run,
    input  logic [BITS-1:0]         value,
    // The destination register: address in c + 3, its contents in the same cycle; written in c + 5.
    output logic [ADDRESS_BITS-1:0] read_address,
    input  logic [ACC_BITS-1:0]     read_data,
    output logic                    write,
    output logic [ADDRESS_BITS-1:0] write_address,
    output logic [ACC_BITS-1:0]     write_data,
    output logic                    busy,
    input  logic                    load,
    input  logic [WEIGHT_BITS-1:0]  load_address,
    input  logic [BITS-1:0]         load_data
);
    localparam int PRODUCT_BITS = 2 * BITS;
    // The sum of an accumulator and a product as large as either can be.
    localparam int SUM_BITS = ACC_BITS + 1 > PRODUCT_BITS ? ACC_BITS + 1 : PRODUCT_BITS;
    localparam logic signed [SUM_BITS-1:0] HIGHEST = (SUM_BITS'(1) <<< (ACC_BITS - 1)) - 1'b1;
    localparam logic signed [SUM_BITS-1:0] LOWEST = -(SUM_BITS'(1) <<< (ACC_BITS - 1));

    logic [BITS-1:0] codebook [0:2**WEIGHT_BITS-1];

    always_ff @(posedge clk) if (load) codebook[load_address] <= load_data;

    // Cycle c + 2: codebook, and the row: `row += z + 1`, from -1 in each column.
    logic [ADDRESS_BITS-1:0] row, row_now;
    logic multiplying, walking;
    logic signed [BITS-1:0] weight, activation;

    assign row_now = (first ? '0 : row + 1'b1) + ADDRESS_BITS'(run);

    always_ff @(posedge clk) begin
        if (valid) row <= row_now;
        weight <= codebook[code];
        activation <= value;
        multiplying <= valid && code != 0 && !rst;  // a filler moves the row on and touches nothing
        walking <= valid && !rst;
    end

    // Cycle c + 3: product, and the destination is read; not if the entry one cycle ahead goes to the same register.
    logic adding, adding_walks, bypass, from_adder;
    logic [ADDRESS_BITS-1:0] adding_row;
    logic signed [PRODUCT_BITS-1:0] product;
    logic signed [ACC_BITS-1:0] operand_read, operand;

    assign bypass = multiplying && adding && row == adding_row;
    assign read_address = row;

    always_ff @(posedge clk) begin
        adding <= multiplying && !rst;
        adding_walks <= walking && !rst;
        adding_row <= row;
        from_adder <= bypass;
        product <= PRODUCT_BITS'(weight) * PRODUCT_BITS'(activation);
        operand_read <= read_data;
    end

    // Cycle c + 4: shift and add. From 2 * BITS on, every shift gives what a shift by 2 * BITS gives.
    logic [6:0] places;
    logic half, sticky, above, below;
    logic signed [PRODUCT_BITS-1:0] floor;
    logic signed [SUM_BITS-1:0] shifted, sum;

    assign places = {1'b0, shift} > 7'(PRODUCT_BITS) ? 7'(PRODUCT_BITS) : {1'b0, shift};
    assign floor = product >>> places;
    assign half = places != 0 && |(product & (PRODUCT_BITS'(1) << (places - 1'b1)));
    assign sticky = |(product & ((PRODUCT_BITS'(1) << (places - 1'b1)) - 1'b1));
    assign shifted = SUM_BITS'(floor) + (HALF_EVEN && half && (sticky || floor[0]) ? SUM_BITS'(1) : '0);
    assign operand = from_adder ? write_data : operand_read;
    assign sum = SUM_BITS'(operand) + shifted;
    assign above = sum > HIGHEST;
    assign below = sum < LOWEST;

    // Cycle c + 5: the write, done at its end.
    logic writing_walks;

    always_ff @(posedge clk) begin
        write <= adding && !rst;
        writing_walks <= adding_walks && !rst;
        write_address <= adding_row;
        write_data <= above ? HIGHEST[ACC_BITS-1:0] : below ? LOWEST[ACC_BITS-1:0] : sum[ACC_BITS-1:0];
    end

    assign busy = valid || walking || adding_walks || writing_walks;
endmodule
