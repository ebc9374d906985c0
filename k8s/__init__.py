"""How CityEye is deployed on Kubernetes: manifests that the test run keeps true."""
