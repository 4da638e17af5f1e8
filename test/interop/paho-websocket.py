"""Publishes and receives one message over WebSocket with Eclipse Paho; prints what arrived."""
import ssl
import sys
import paho.mqtt.client as mqtt

host, port, path, cafile, client_id, password, version = sys.argv[1:8]
topic = f"device/{client_id}/echo"
arguments = dict(client_id=client_id, transport="websockets", protocol=mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311)
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, **arguments) if hasattr(mqtt, "CallbackAPIVersion") else mqtt.Client(**arguments)
client.ws_set_options(path=path)
client.username_pw_set(client_id, password)
if cafile != "-":
    client.tls_set(ca_certs=cafile, tls_version=ssl.PROTOCOL_TLS_CLIENT)


def on_connect(connected, _userdata, _flags, reason, *_more):
    if int(getattr(reason, "value", reason)) != 0:
        print(f"refused {reason}")
        connected.disconnect()
        return
    connected.subscribe(topic, qos=1)


client.on_connect = on_connect
client.on_subscribe = lambda c, *_: c.publish(topic, f"over {path} in version {version}", qos=1)


def on_message(c, _userdata, message):
    print(f"received {message.payload.decode()}")
    c.disconnect()


client.on_message = on_message
client.connect(host, int(port), keepalive=10)
client.loop_forever(timeout=1)
