-- wrk's side of tests/bench/intake: deliveries of 1.5 KB, each with ids of its own and ts = now.
-- Arguments: name of the run, secret, "fresh" or "same" (one body again and again), "keep" or "close".
local threads = 0
local head, middle, tail
local serial = 0
local same

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(args)
   local run, secret, close = args[1], args[2], args[4] == "close"
   local a = '{"account_id":"9035f53656c247e895c5a6939ae8a0e0","alert_correlation_id":"'
   local b = '","alert_event":"ALERT_STATE_EVENT_START","alert_type":"advanced_ddos_attack_l4_alert","data":{' ..
      '"account_name":"Example Networks","account_tag":"9035f53656c247e895c5a6939ae8a0e0","action":"drop",' ..
      '"attack_id":"'
   local c = '","attack_vector":"SYN Flood","dashboard_link":"https://dash.cloudflare.com/' ..
      '9035f53656c247e895c5a6939ae8a0e0/network-services/analytics?time-window=30","max_rate":"6.4Gb/s",' ..
      '"megabits_per_second":6400,"mitigation":"drop","packets_per_second":1234567,"protocol":"TCP",' ..
      '"rule_description":"TCP SYN flood with packet rates far above the usual level of this network",' ..
      '"rule_id":"36afd2adc3f04a16ba7ec8da2d9a7a2f","rule_name":"tcp_syn_flood_high_rate",' ..
      '"ruleset_id":"3b64149bfa6e4220bbbc2bd6db589552","ruleset_override_id":"5c1d4f0f4b7f49a8a7c7f6a3f0e0d1c2",' ..
      '"start_time":"2026-11-22T03:00:00.721192654Z","target_id":"bd66b7a1c9c14c7f8d5c7d2f5a2c9e11",' ..
      '"target_ip":"203.0.113.7","target_port":443},"name":"DDoS attacks on Magic Transit",' ..
      '"policy_id":"749b911ea5d04344a58e45edd099b328","policy_name":"DDoS attacks on Magic Transit","text":"'
   local d = '","ts":'
   local e = '}'
   local ids = string.format("%s%02x", run, number)      -- 16 + 2 digits, then 14 of the serial number
   local now = "1795376400"
   local fixed = #a + 32 + #b + 32 + #c + #d + #now + #e
   local text = string.rep("An attack on 203.0.113.7 was detected and is being mitigated. ", 20)
   text = string.sub(text, 1, 1536 - fixed)
   head = "POST /webhook/cloudflare HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" ..
      "User-Agent: Cloudflare-Webhooks\r\ncf-webhook-auth: " .. secret .. "\r\nContent-Length: " ..
      (fixed + #text) .. (close and "\r\nConnection: close" or "") .. "\r\n\r\n" .. a .. ids
   middle = b .. ids
   tail = { c .. text .. d, e }
   same = args[3] == "same" and whole()
end

function whole()
   local id = string.format("%014x", serial)
   return head .. id .. middle .. id .. tail[1] .. os.time() .. tail[2]
end

function request()
   if same then
      return same
   end
   serial = serial + 1
   return whole()
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format('RESULT {"requests":%d,"us":%d,"p50":%d,"p99":%d,"max":%d,' ..
      '"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
      e.status, e.connect, e.read, e.write, e.timeout))
end
