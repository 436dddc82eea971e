// Holds objects and direct buffers; twice as many after each line that it reads.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

class Grow {
	static final List<byte[]> objects = new ArrayList<>();
	static final List<ByteBuffer> buffers = new ArrayList<>();

	static void hold(int n) {
		for (int i = 0; i < n; i++) {
			objects.add(new byte[200]);
			if (i % 1000 == 0) {
				ByteBuffer b = ByteBuffer.allocateDirect(100000);

				while (b.hasRemaining())
					b.put((byte)1);
				buffers.add(b);
			}
		}
	}

	public static void main(String[] args) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));

		hold(100000);
		System.out.println("ready");
		while (in.readLine() != null) {
			hold(objects.size());
			System.out.println("{\"objects\": " + objects.size() + "}\ndone");
		}
	}
}
