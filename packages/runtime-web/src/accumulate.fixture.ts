/**
 * A graph written once with onnx-proto 8.0.1 (opset 17, IR 8): y = Add(x, w), x and y [batch, 262144], w [262144] external data of `weights.bin`,
 * a mebibyte: fed its own output it counts, and what it leaves behind is seen.
 */
export const accumulateModel: Uint8Array<ArrayBuffer> = Uint8Array.from(
  (
    '080812086e696365666c6f773a97010a130a01780a01771201791a0341646422034164641201672a450a0380801010014201776a170a086c6f636174696f6e120b776569676874732e' +
    '62696e6a0b0a066f66667365741201306a110a066c656e67746812073130343835373670015a1a0a017812150a130801120f0a07120562617463680a0408808010621a0a0179121' +
    '50a130801120f0a07120562617463680a040880801042040a001011'
  ).match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
)

export const width = 2 ** 18
