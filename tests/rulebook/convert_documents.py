"""Documents as people have them in their clusters, for the tests of the conversion."""

from __future__ import annotations

WEB_HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: web
  namespace: shop
  labels: {app.kubernetes.io/name: web}
  annotations: {argocd.argoproj.io/sync-wave: "2"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 40
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 65}}
    - type: ContainerResource
      containerResource: {name: memory, container: app, target: {type: AverageValue, averageValue: 500Mi}}
    - type: Pods
      pods:
        metric: {name: http_requests_per_second, selector: {matchLabels: {route: checkout}}}
        target: {type: AverageValue, averageValue: 1500m}
    - type: Object
      object:
        metric: {name: requests-per-second}
        describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: main-route}
        target: {type: Value, value: 10k}
    - type: External
      external:
        metric:
          name: queue_messages_ready
          selector:
            matchExpressions:
              - {key: queue, operator: In, values: [orders, mail.out]}
              - {key: dead, operator: DoesNotExist}
        target: {type: AverageValue, averageValue: "30"}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      selectPolicy: Max
      policies:
        - {type: Percent, value: 100, periodSeconds: 15}
        - {type: Pods, value: 4, periodSeconds: 15}
      tolerance: 50m
    scaleDown: {stabilizationWindowSeconds: 120, selectPolicy: Min, tolerance: 0}
status:
  currentReplicas: 4
"""

OLD_HPA = """\
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: api.v2, creationTimestamp: "2021-01-01T00:00:00Z", uid: 4f1c}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: api}
  maxReplicas: 5
  targetCPUUtilizationPercentage: 50
"""

BARE_HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: bare, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: bare}
  maxReplicas: 5
"""

PROMETHEUS_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: checkout, namespace: shop}
spec:
  scaleTargetRef: {name: checkout, envSourceContainerName: app}
  pollingInterval: 15
  cooldownPeriod: 120
  minReplicaCount: 2
  maxReplicaCount: 30
  fallback: {failureThreshold: 4, replicas: 6, behavior: currentReplicasIfHigher}
  advanced:
    restoreToOriginalReplicaCount: true
    horizontalPodAutoscalerConfig:
      name: checkout-hpa
      behavior: {scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}
  triggers:
    - type: prometheus
      name: rps
      metadata:
        serverAddress: http://prometheus.monitoring:9090
        query: sum(rate(http_requests_total{deployment="checkout"}[2m]))
        threshold: "100.5"
        activationThreshold: "5"
      authenticationRef: {name: prom-creds}
    - type: prometheus
      metricType: Value
      metadata:
        serverAddress: http://prometheus.monitoring:9090
        metricName: p95
        query: histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[2m])))
        threshold: "0.4"
        ignoreNullValues: "false"
    - type: cpu
      metricType: Utilization
      metadata: {value: "80"}
"""

WORKER_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: worker
  namespace: jobs
  annotations: {autoscaling.keda.sh/paused-replicas: "3", team: blue}
spec:
  scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: worker}
  cooldownPeriod: 600
  triggers:
    - type: redis
      metadata: {address: "redis:6379", listName: jobs, listLength: "20", databaseIndex: "3"}
    - type: kafka
      metadata:
        bootstrapServers: kafka:9092
        consumerGroup: mailer
        topic: mail
        lagThreshold: "50"
        activationLagThreshold: "3"
        allowIdleConsumers: "false"
    - type: rabbitmq
      metadata: {host: "amqp://x", queueName: orders, mode: MessageRate, value: "100"}
    - type: aws-sqs-queue
      metadata: {queueURL: "https://sqs.eu-west-1.amazonaws.com/1/mail", awsRegion: eu-west-1}
"""

OFFICE_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: office, namespace: office}
spec:
  scaleTargetRef: {name: office}
  idleReplicaCount: 0
  minReplicaCount: 1
  maxReplicaCount: 10
  fallback: {failureThreshold: 3, replicas: 6}
  triggers:
    - {type: cron, metadata: {timezone: Europe/Brussels, start: 0 8 * * 1-5, end: 30 18 * * 1-5, desiredReplicas: "4"}}
    - {type: cron, metadata: {timezone: Asia/Kolkata, start: 0 22 * * *, end: 0 4 * * *, desiredReplicas: "2"}}
    - {type: cron, metadata: {timezone: Europe/Brussels, start: 0 20 * * 5, end: 0 6 * * 1, desiredReplicas: "3"}}
"""

EXOTIC_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: exotic, namespace: lab}
spec:
  scaleTargetRef: {name: exotic}
  initialCooldownPeriod: 60
  advanced: {scalingModifiers: {formula: "a + b", target: "5"}}
  triggers:
    - {type: mongodb, metadata: {query: "{}", queryValue: "5"}}
    - {type: cron, metadata: {timezone: UTC, start: "*/5 8 * * *", end: 0 9 * * *, desiredReplicas: "2"}}
  futureField: 7
"""

ALL = {
    "web HPA": WEB_HPA,
    "v1 HPA": OLD_HPA,
    "bare HPA": BARE_HPA,
    "prometheus": PROMETHEUS_OBJECT,
    "worker": WORKER_OBJECT,
    "office": OFFICE_OBJECT,
    "exotic": EXOTIC_OBJECT,
}
