// A server of HTTP and websockets that holds a Buffer of BYTES for each message of a websocket, as
// long as it is open. Prints its port and "ready"; ends with standard input.
// Usage: served.js BYTES
'use strict';
const crypto = require('crypto');
const http = require('http');
const bytes = Number(process.argv[2]);
const passing = [];

// What comes and goes with every request, and a timer's work: no connection's, but nothing says so
// when it runs in the same turn of the loop as the callback of one.
const server = http.createServer((request, response) => response.end('x'.repeat(1000)));
setInterval(() => {
	passing.push(Buffer.alloc(5000, 1));
	if (passing.length > 20)
		passing.shift();
}, 20);

server.on('upgrade', (request, socket) => {
	const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
	const accept = crypto.createHash('sha1').update(key).digest('base64');
	const kept = [];

	socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n' +
		`Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
	socket.on('data', () => {
		kept.push(Buffer.alloc(bytes, 1));
		socket.write(Buffer.from([0x81, 2, 0x6f, 0x6b]));
	});
	socket.on('end', () => socket.end());
	socket.on('error', () => socket.destroy());
	socket.on('close', () => { kept.length = 0; });
});
server.keepAliveTimeout = 600000;
server.listen(0, '127.0.0.1', () => {
	console.log(`port ${server.address().port}`);
	console.log('ready');
});
process.stdin.on('data', () => {
	if (global.gc)
		global.gc();
	console.log(JSON.stringify(process.memoryUsage()));
});
process.stdin.on('end', () => process.exit(0));
