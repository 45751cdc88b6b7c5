// SPDX-License-Identifier: Apache-2.0
// Prints the packets of a category topic: java -cp JARS Consumer.java BROKERS TOPIC [COUNT]
// JARS: kafka-clients and jackson-databind. The layout of mc: docs/reference/packet.md.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer; // big-endian, as mc is
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Consumer {
    static final List<String> DIALECTS = List.of("unknown", "obu", "envelope");

    static String line(ConsumerRecord<byte[], byte[]> record) throws Exception {
        JsonNode packet = new ObjectMapper().readTree(record.value());
        ByteBuffer mc = ByteBuffer.wrap(record.headers().lastHeader("mc").value());
        int version = mc.get(), dialect = mc.get(), flags = mc.getShort();
        if (version != 1)
            throw new IllegalStateException("mc version " + version + ": newer than this program");
        long receivedNs = mc.getLong();
        byte[] identity = new byte[24];
        mc.get(identity);
        return String.format("%s %s %s %s %d %s %016x", packet.get("vehicle").asText(),
            HexFormat.of().formatHex(identity), packet.get("lat"), packet.get("lon"), receivedNs,
            dialect < DIALECTS.size() ? DIALECTS.get(dialect) : dialect, mc.getLong());
    }

    public static void main(String[] args) throws Exception {
        long left = args.length > 2 ? Long.parseLong(args[2]) : Long.MAX_VALUE;
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0],
            "group.id", "example-java", "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(args[1]));
            while (left > 0)
                for (var record : consumer.poll(Duration.ofSeconds(1)))
                    if (left-- > 0)
                        System.out.println(line(record));
        }
    }
}
