// A server of websockets by the package ws, and its clients: `chat.js`, `chat.js PORT leak|clean`.
// The server says its port. Clients come at a steady pace; in clean they stay for a moment, in leak
// they stay. Says "ready" once it is warm; packages are found by NODE_PATH.
'use strict';
const { WebSocket, WebSocketServer } = require('ws');
const [port, what] = process.argv.slice(2);
const STEP_MS = 100;
let n = 0;

function serve() {
	const clients = new Map();
	const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
	server.on('connection', (socket) => {
		clients.set(++n, socket);
		const id = n;
		socket.on('message', (text) => socket.send(text));
		socket.on('close', () => clients.delete(id));
	});
	server.on('listening', () => console.log(server.address().port));
	process.stdin.on('data', () => console.log(JSON.stringify({ operations: n, kept: clients.size })));
}

function come() {
	const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
	socket.on('open', () => socket.send('hello'));
	socket.on('message', () => what === 'leak' || socket.close());
	if (++n === 10)
		console.log('ready');
	setTimeout(come, STEP_MS);
}

if (port)
	come();
else
	serve();
process.stdin.on('end', () => process.exit(0)).resume();
