// Buffers made by a function that is compiled, kept 2,000 at a time. Marker: ready.
const kept = [];
function makeBuffer(n) {
  kept.push(Buffer.allocUnsafeSlow(20000 + n));
  if (kept.length > 2000) kept.length = 0;
}
for (let i = 0; i < 20000; i++) makeBuffer(i % 50); // until it is hot
console.log("ready");
setInterval(() => { for (let i = 0; i < 20; i++) makeBuffer(i); }, 20);
process.stdin.on("end", () => process.exit(0)).resume();
